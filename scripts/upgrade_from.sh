#!/usr/bin/env bash
# Upgrades from a real process of an older program: builds the program of a commit, has it killed
# with an order open, and has this program go on with what it left. Made for a nightly run; it builds
# two programs.
#
#   scripts/upgrade_from.sh COMMIT           runs the test
#   scripts/upgrade_from.sh COMMIT --sample  writes tests/stores/killed-N, once for a layout
set -euo pipefail
cd "$(dirname "$0")/.."

commit=$(git rev-parse --verify "${1:?which commit to upgrade from}^{commit}")
what=a_program_that_is_killed_with_an_order_open_is_followed_by_this_one
if [[ "${2:-}" == --sample ]]; then
    what=make_the_killed_sample
fi

# A tree and a target of its own: the older program must not replace this one.
tree=$(mktemp -d)
trap 'git worktree remove --force "$tree"' EXIT
git worktree add --detach --force "$tree" "$commit"
target="$PWD/target/upgrade-from"
(cd "$tree" && CARGO_TARGET_DIR="$target" cargo build --locked --bin everwarm)

UPGRADE_FROM="$target/debug/everwarm" \
    cargo test --locked --test tests "stores::$what" -- --include-ignored --exact --nocapture
