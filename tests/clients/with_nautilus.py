"""nautilus_trader drives the simulated exchange: prices by its node, orders signed by Ed25519.

The version for Python 3.11 opens the stream of the account with a listen key. Binance has removed
listen keys, and the exchange refuses them as Binance does. So the orders go through the REST client
of the same adapter.
"""

import asyncio
import pathlib

from kit import Exchange, binary, expect
from nautilus_trader.adapters.binance import BINANCE, BinanceAccountType, BinanceDataClientConfig
from nautilus_trader.adapters.binance import BinanceLiveDataClientFactory
from nautilus_trader.adapters.binance.common.enums import (
    BinanceKeyType,
    BinanceOrderSide,
    BinanceOrderStatus,
    BinanceOrderType,
    BinanceTimeInForce,
)
from nautilus_trader.adapters.binance.factories import get_cached_binance_http_client
from nautilus_trader.adapters.binance.spot.http.account import BinanceSpotAccountHttpAPI
from nautilus_trader.common.component import LiveClock
from nautilus_trader.config import InstrumentProviderConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy

SYMBOL = "BTCUSDT"
INSTRUMENT = InstrumentId.from_str(f"{SYMBOL}.{BINANCE}")
# The key whose private half lies in the folder of the exchange. Documented in docs/EXCHANGE.md.
KEY = "everwarmSimulatedExchangeDemoEd25519Key0000000000000000000000000"
PATIENCE = 150


def private_half(exchange):
    pem = pathlib.Path(exchange.folder.name) / "ed25519.pem"
    return "".join(line for line in pem.read_text().split() if "-" not in line and len(line) > 20)


async def orders(exchange):
    clock = LiveClock()
    rest = get_cached_binance_http_client(
        clock=clock,
        account_type=BinanceAccountType.SPOT,
        api_key=KEY,
        api_secret=private_half(exchange),
        key_type=BinanceKeyType.ED25519,
        base_url=exchange.rest,
    )
    account = BinanceSpotAccountHttpAPI(rest, clock, BinanceAccountType.SPOT)
    info = await account.query_spot_account_info(recv_window="5000")
    free = {row.asset: float(row.free) for row in info.balances}
    expect("account by Ed25519", info.canTrade and free["USDT"] == 100_000, free)
    bought = await account.new_order(
        symbol=SYMBOL,
        side=BinanceOrderSide.BUY,
        order_type=BinanceOrderType.MARKET,
        quantity="0.01",
        new_client_order_id="nautilus-1",
        recv_window="5000",
    )
    expect("market order", bought.status == BinanceOrderStatus.FILLED, bought)
    resting = await account.new_order(
        symbol=SYMBOL,
        side=BinanceOrderSide.BUY,
        order_type=BinanceOrderType.LIMIT,
        time_in_force=BinanceTimeInForce.GTC,
        quantity="0.02",
        price="20000.00",
        new_client_order_id="nautilus-2",
        recv_window="5000",
    )
    expect("limit order", resting.status == BinanceOrderStatus.NEW, resting)
    found = await account.query_order(SYMBOL, orig_client_order_id="nautilus-2")
    expect("by its own id", found.orderId == resting.orderId, found)
    gone = await account.cancel_order(SYMBOL, orig_client_order_id="nautilus-2")
    expect("cancel", gone.status == BinanceOrderStatus.CANCELED, gone)
    fills = await account.query_user_trades(SYMBOL)
    expect("own trades", sum(float(row.qty) for row in fills) == 0.01, fills)


class Follows(Strategy):
    """Ends once it had a trade, a quote and a bar."""

    def __init__(self):
        super().__init__()
        self.seen = set()
        self.complete = asyncio.Event()

    def on_start(self):
        self.subscribe_trade_ticks(INSTRUMENT)
        self.subscribe_quote_ticks(INSTRUMENT)
        self.subscribe_bars(BarType.from_str(f"{INSTRUMENT}-1-MINUTE-LAST-EXTERNAL"))

    def note(self, what):
        self.seen.add(what)
        if self.seen == {"trade", "quote", "bar"}:
            self.complete.set()

    def on_trade_tick(self, tick):
        self.note("trade")

    def on_quote_tick(self, tick):
        self.note("quote" if tick.bid_price < tick.ask_price else "crossed quote")

    def on_bar(self, bar):
        self.note("bar")


async def prices(exchange):
    provider = InstrumentProviderConfig(load_ids=frozenset([INSTRUMENT]))
    config = BinanceDataClientConfig(
        api_key=KEY,
        api_secret=private_half(exchange),
        key_type=BinanceKeyType.ED25519,
        account_type=BinanceAccountType.SPOT,
        base_url_http=exchange.rest,
        base_url_ws=exchange.socket,
        instrument_provider=provider,
    )
    logging = LoggingConfig(log_level="ERROR")
    node = TradingNode(
        config=TradingNodeConfig(logging=logging, data_clients={BINANCE: config}),
        loop=asyncio.get_running_loop(),
    )
    follows = Follows()
    node.trader.add_strategy(follows)
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.build()
    running = asyncio.create_task(node.run_async())
    try:
        await asyncio.wait_for(follows.complete.wait(), PATIENCE)
    except asyncio.TimeoutError:
        expect("trade, quote and bar of a node", False, follows.seen)
    expect("the instrument", node.cache.instrument(INSTRUMENT) is not None)
    expect("trade, quote and bar of a node", True)
    await node.stop_async()
    await running


async def all_of_it(exchange):
    await orders(exchange)
    await prices(exchange)


with Exchange(binary()) as simulated:
    asyncio.run(all_of_it(simulated))
