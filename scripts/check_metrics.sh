#!/usr/bin/env bash
# The daemon plays under chaos, Prometheus scrapes it with the shipped rules, and every query of
# every panel and rule is executed. An empty or failing one fails; so does a rule with a label or a
# value of one that no series has, and a metric that nobody shows, alerts on, or lists in
# scripts/metrics_not_shown.txt. About two minutes. It says nothing of looks: queries are verified
# against Prometheus.
#
#   scripts/check_metrics.sh [BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-target/release/everwarm}")
shared=${EVERWARM_SHARED:-../shared}
work=$(mktemp -d)
data=$work/data
pids=()

finish() {
    local pid
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    # The daemon takes its exchange with it.
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
    apt-get update --quiet --quiet
    apt-get install --yes --quiet --quiet prometheus >/dev/null
fi

echo "-- what is generated is up to date, and well formed"
python3 scripts/make_alerts.py --check
python3 scripts/make_dashboards.py --check
promtool check rules rules/alerts.yml
promtool test rules rules/alerts_test.yml
# Each side of an "or" is fired by a case of its own.
mkdir "$work/branches"
python3 scripts/make_alerts.py --branches "$work/branches"
promtool test rules "$work"/branches/*_test.yml
promtool check config dashboards/provisioning/prometheus.yml
python3 scripts/check_dashboards.py --self-test
python3 scripts/check_dashboards.py --strict --syntax --metrics docs/reference/metrics.md \
    --rule-file rules/alerts.yml dashboards/*.json

echo "-- a daemon that is disturbed"
market=()
if [[ -d $shared/data/coinbase ]]; then
    market=(--recording "$shared/data/coinbase" --pace 240x)
elif [[ ${CI:-} == true ]]; then
    echo "$shared/data/coinbase is not there: EVERWARM_SHARED names the shared folder" >&2
    exit 1
else
    echo "without $shared/data/coinbase: a made market"
fi
# Somebody to tell: takes every message. And a source of the dominance and of prices of tokens.
python3 - "$work/port" <<'END' &
import http.server, json, sys, time
class Taker(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
    def do_GET(self):
        shares = {"market_cap_percentage": {"btc": 58.4, "usdt": 4.6}, "updated_at": int(time.time())}
        token = lambda name: {"data": {"id": "eth_" + name}}
        pool = {
            "attributes": {"address": "0x2", "base_token_price_usd": "1.5", "quote_token_price_usd": None},
            "relationships": {"base_token": token("0x1"), "quote_token": token("0x3")},
        }
        body = json.dumps({"data": [pool] if "/pools/" in self.path else shares}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
open(sys.argv[1], "w").write(str(server.server_port))
server.serve_forever()
END
pids+=($!)
until [[ -s $work/port ]]; do sleep 0.1; done
(umask 077 && echo "http://127.0.0.1:$(cat "$work/port")/" >"$work/webhook")

configure() {
    cat >"$work/config.toml" <<END
[chaos]
enabled = true
[messages]
webhook = "file:$work/webhook"
every_s = 1
[source.coingecko]
enabled = true
address = "http://127.0.0.1:$(cat "$work/port")"
[source.geckoterminal]
enabled = true
address = "http://127.0.0.1:$(cat "$work/port")"
[trading]
max_positions = $1
END
}
configure 10
"$binary" run --config "$work/config.toml" --data-dir "$data" "${market[@]}" \
    >"$work/out.log" 2>"$work/daemon.log" &
daemon=$!
pids+=("$daemon")

everwarm() {
    "$binary" "$@" --data-dir "$data"
}

answering() {
    for _ in $(seq 100); do
        if everwarm status >/dev/null 2>&1; then
            return
        fi
        sleep 0.2
    done
    cat "$work/daemon.log" >&2
    return 1
}
answering
everwarm tokens add ONE --chain eth --contract 0x1 --pool 0x2 --decimals 18
address=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["addr"])' "$data/api.json")

disturb() {
    # What is refused, like a rollback before there was anything, is part of it.
    set +e
    while sleep 2; do
        everwarm kill feed --yes
        everwarm kill closer --yes
        everwarm kill gateway --yes
        everwarm kill decision --how panic --yes
        everwarm kill ledger --yes
        everwarm kill clock --how stall --seconds 1 --yes
        everwarm config rollback --yes
        for most in 11 zero 10; do
            configure "$most"
            everwarm config reload --yes
            kill -HUP "$daemon"
            sleep 0.5
        done
        everwarm orders
    done
}
disturb >"$work/disturb.log" 2>&1 &
pids+=($!)

echo "-- the text is as Prometheus wants it"
curl --silent --fail "http://$address/metrics" | promtool check metrics

echo "-- Prometheus with the shipped rules"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/prometheus.yml" <<END
global: {scrape_interval: 2s, evaluation_interval: 2s}
rule_files: ["$PWD/rules/alerts.yml"]
scrape_configs:
  - {job_name: everwarm, static_configs: [{targets: ["$address"]}]}
END
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
    --web.listen-address="127.0.0.1:$port" >"$work/prometheus.log" 2>&1 &
pids+=($!)
sleep 20

# Why each of these is neither shown nor an alert is told beside it.
mapfile -t quiet < <(grep -v "^#" scripts/metrics_not_shown.txt | grep -oE '^[a-zA-Z_]+' || true)
python3 scripts/check_dashboards.py --prometheus "http://127.0.0.1:$port" --wait 60 \
    --scrape-interval 2 --rules --require-label job --metrics docs/reference/metrics.md --coverage 'job="everwarm"' --quiet \
    --json "$work/found.json" dashboards/*.json
python3 - "$work/found.json" "${quiet[@]}" <<'END'
import json, sys
unused = set(json.load(open(sys.argv[1]))["unused_metrics"]) - set(sys.argv[2:])
for name in sorted(unused):
    print(name, "is neither shown, nor alerted on, nor listed in scripts/metrics_not_shown.txt")
sys.exit(bool(unused))
END
echo "every query of every panel and rule was answered"
