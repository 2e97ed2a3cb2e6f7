#!/usr/bin/env bash
# Draws docs/images/*.svg from the .dot files beside them. Needs Graphviz, of the package graphviz of Debian.
set -euo pipefail
cd "$(dirname "$0")/../docs/images"
for source in *.dot; do
    dot -Tsvg "$source" -o "${source%.dot}.svg"
done
