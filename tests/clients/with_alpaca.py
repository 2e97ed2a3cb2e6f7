"""alpaca-py drives the simulated exchange: all kinds of orders, bars, both streams, and what it
refuses.

    everwarm sim --protocol alpaca      its port: port.json in its folder
    with_alpaca.py PATH_OF_EVERWARM     this script starts an exchange of its own
"""

import queue
import threading
import time
from uuid import UUID

from alpaca.common.exceptions import APIError
from alpaca.data.enums import DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    OrderClass,
    OrderSide,
    OrderStatus,
    OrderType,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from alpaca.trading.stream import TradingStream
from kit import KEY, SECRET, Exchange, binary, expect, refused

SYMBOL = "AAPL"
# Within this many seconds what must come has come.
PATIENCE = 120


class Updates(TradingStream):
    """The updates of orders, with an event for the moment from which none is missed."""

    def __init__(self, **options):
        super().__init__(**options)
        self.listening = threading.Event()

    async def _dispatch(self, message):
        if message.get("stream") == "listening":
            self.listening.set()
        await super()._dispatch(message)


class Listener:
    """A stream on a thread of its own. What it receives is in a queue."""

    def __init__(self, stream, subscribe):
        self.got = queue.Queue()
        self.stream = stream

        async def take(message):
            self.got.put(message)

        subscribe(take)
        self.thread = threading.Thread(target=stream.run, daemon=True)
        self.thread.start()

    def next(self, what, wanted):
        """The next message that is wanted. Others before it are skipped."""
        skipped = []
        while True:
            try:
                message = self.got.get(timeout=PATIENCE)
            except queue.Empty:
                expect(what, False, skipped)
            if wanted(message):
                expect(what, True)
                return message
            skipped.append(message)

    def stop(self):
        self.stream.stop()
        self.thread.join(timeout=PATIENCE)
        expect("a stream ends", not self.thread.is_alive())


def refusal(what, status, code, act):
    error = refused(what, APIError, act)
    expect(f"its status {status}", error.status_code == status, error)
    expect(f"its code {code}", error.code == code, error)
    return error


def account_and_market(trading):
    account = trading.get_account()
    expect("account", account.status == "ACTIVE" and account.currency == "USD", account)
    expect("its money", float(account.cash) == float(account.buying_power) > 0, account)
    expect("no position", trading.get_all_positions() == [])
    clock = trading.get_clock()
    expect("clock", clock.timestamp < clock.next_close, clock)
    day = clock.next_close.date()
    days = trading.get_calendar(GetCalendarRequest(start=day, end=day))
    expect("calendar", [row.date for row in days] == [day], days)
    expect("opens at half past nine", f"{days[0].open:%H:%M}" == "09:30", days)
    assets = trading.get_all_assets(GetAssetsRequest(status="active"))
    expect("assets", {asset.symbol for asset in assets} == {"AAPL", "MSFT"}, assets)
    asset = trading.get_asset(SYMBOL)
    expect("one asset", asset.tradable and not asset.fractionable, asset)
    expect("the same by its id", trading.get_asset(asset.id).symbol == SYMBOL)
    return float(account.cash)


def market_data(data, bars):
    streamed = bars.next("a bar of the stream", lambda bar: bar.symbol == SYMBOL)
    expect("its prices", streamed.low <= streamed.open <= streamed.high, streamed)
    expect("its time is in UTC", streamed.timestamp.utcoffset().total_seconds() == 0, streamed)
    request = StockBarsRequest(
        symbol_or_symbols=SYMBOL, timeframe=TimeFrame.Minute, start=streamed.timestamp, limit=1
    )
    recorded = data.get_stock_bars(request).data[SYMBOL][0]
    expect("the same bar by request", recorded == streamed, (recorded, streamed))
    symbols = {"symbol_or_symbols": ["AAPL", "MSFT"]}
    trades = data.get_stock_latest_trade(StockLatestTradeRequest(**symbols))
    expect("latest trades", set(trades) == {"AAPL", "MSFT"}, trades)
    snapshots = data.get_stock_snapshot(StockSnapshotRequest(**symbols))
    quote = snapshots[SYMBOL].latest_quote
    expect("snapshots", quote.bid_price < quote.ask_price, snapshots)
    return trades[SYMBOL].price


def order_of(client_id):
    return lambda update: update.order.client_order_id == client_id


def ended(client_id, *events):
    """Whether an update is one of these events of an order."""
    return lambda update: order_of(client_id)(update) and update.event in events


def market_order(trading, updates, cash):
    request = MarketOrderRequest(
        symbol=SYMBOL,
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        client_order_id="first",
    )
    placed = trading.submit_order(request)
    expect("market order", isinstance(placed.id, UUID) and placed.symbol == SYMBOL, placed)
    updates.next("it is new", ended("first", "new"))
    fill = updates.next("it is filled", ended("first", "fill"))
    expect("entirely", fill.order.status == OrderStatus.FILLED, fill)
    expect("all shares are held", fill.position_qty == 10 and fill.price > 0, fill)
    found = trading.get_order_by_client_id("first")
    expect("order by client id", found.id == placed.id and float(found.filled_qty) == 10, found)
    expect("order by id", trading.get_order_by_id(placed.id).status == OrderStatus.FILLED)
    held = trading.get_open_position(SYMBOL)
    expect("position", float(held.qty) == 10 and held.side == "long", held)
    expect("positions", [row.symbol for row in trading.get_all_positions()] == [SYMBOL])
    paid = float(found.filled_avg_price) * 10
    left = float(trading.get_account().cash)
    expect("it is paid without commission", abs(cash - paid - left) < 0.005, (cash, paid, left))
    fills = trading.get("/account/activities/FILL")
    mine = [row for row in fills if row["order_id"] == str(placed.id)]
    expect("activities", sum(float(row["qty"]) for row in mine) == 10, fills)
    again = refusal("used client id", 422, 40010001, lambda: trading.submit_order(request))
    expect("in words", again.message == "client_order_id must be unique", again)


def resting_orders(trading, updates, price):
    terms = {"symbol": SYMBOL, "time_in_force": TimeInForce.GTC}
    limit = trading.submit_order(
        LimitOrderRequest(
            qty=5,
            side=OrderSide.BUY,
            limit_price=round(price * 0.5, 2),
            client_order_id="below",
            **terms,
        )
    )
    expect("limit order", float(limit.limit_price) == round(price * 0.5, 2), limit)
    updates.next("it rests", ended("below", "new"))
    stop = trading.submit_order(
        StopOrderRequest(
            qty=10,
            side=OrderSide.SELL,
            stop_price=round(price * 0.5, 2),
            client_order_id="exit",
            **terms,
        )
    )
    expect("stop order", float(stop.stop_price) == round(price * 0.5, 2), stop)
    held = trading.get_open_position(SYMBOL)
    expect("it holds its shares", float(held.qty_available) == 0, held)
    filter = GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=[SYMBOL])
    found = {order.client_order_id for order in trading.get_orders(filter)}
    expect("open orders", found == {"below", "exit"}, found)
    trading.cancel_order_by_id(limit.id)
    gone = updates.next("it is cancelled", ended("below", "canceled"))
    expect("without a fill", float(gone.order.filled_qty) == 0, gone)
    refusal("a second cancel", 422, 42210000, lambda: trading.cancel_order_by_id(limit.id))
    cancelled = trading.cancel_orders()
    expect("cancel all", [row.id for row in cancelled] == [stop.id], cancelled)
    updates.next("the stop is cancelled", ended("exit", "canceled"))
    expect("no open order", trading.get_orders(filter) == [])


def with_legs(trading, order):
    """An order as it is now, with its legs inside."""
    return trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))


def states(order):
    return [order.status] + [leg.status for leg in order.legs or []]


def replaced_orders(trading, updates, price):
    old = trading.submit_order(
        LimitOrderRequest(
            symbol=SYMBOL,
            qty=5,
            side=OrderSide.BUY,
            limit_price=round(price * 0.5, 2),
            time_in_force=TimeInForce.DAY,
            client_order_id="before",
        )
    )
    updates.next("an order to replace", ended("before", "new"))
    higher = round(price * 0.6, 2)
    changes = ReplaceOrderRequest(limit_price=higher, qty=4, client_order_id="after")
    new = trading.replace_order_by_id(old.id, changes)
    expect("it has a new id", new.replaces == old.id and new.id != old.id, new)
    expect("and new terms", float(new.limit_price) == higher and float(new.qty) == 4, new)
    gone = updates.next("the former is replaced", ended("before", "replaced"))
    expect("by the new one", gone.order.replaced_by == new.id, gone)
    updates.next("which is new", ended("after", "new"))
    former = trading.get_order_by_id(old.id)
    expect("its status", former.status == OrderStatus.REPLACED, former)
    again = lambda: trading.replace_order_by_id(old.id, ReplaceOrderRequest(qty=1))
    refusal("a second replacement", 422, 42210000, again)
    same = lambda: trading.replace_order_by_id(new.id, ReplaceOrderRequest(qty=4))
    refusal("one that changes nothing", 422, 42210000, same)
    trading.cancel_order_by_id(new.id)
    updates.next("the new one is cancelled", ended("after", "canceled"))


def brackets(trading, updates, price):
    entry = {"symbol": SYMBOL, "qty": 5, "side": OrderSide.BUY, "time_in_force": TimeInForce.GTC}
    profit = TakeProfitRequest(limit_price=round(price * 2, 2))
    loss = StopLossRequest(stop_price=round(price * 0.5, 2))
    waiting = trading.submit_order(
        LimitOrderRequest(
            limit_price=round(price * 0.6, 2),
            order_class=OrderClass.BRACKET,
            take_profit=profit,
            stop_loss=loss,
            client_order_id="waiting",
            **entry,
        )
    )
    expect("bracket", waiting.order_class == OrderClass.BRACKET, waiting)
    kinds = [leg.type for leg in waiting.legs]
    expect("its legs", kinds == [OrderType.LIMIT, OrderType.STOP], waiting)
    held = states(with_legs(trading, waiting))
    expect("they wait", held == [OrderStatus.NEW, OrderStatus.HELD, OrderStatus.HELD], held)
    trading.cancel_order_by_id(waiting.id)
    updates.next("the entry is cancelled", ended("waiting", "canceled"))
    left = states(with_legs(trading, waiting))
    expect("with its legs", left == [OrderStatus.CANCELED] * 3, left)

    filled = trading.submit_order(
        MarketOrderRequest(
            order_class=OrderClass.BRACKET,
            take_profit=profit,
            stop_loss=loss,
            client_order_id="bracket",
            **entry,
        )
    )
    updates.next("the entry is filled", ended("bracket", "fill"))
    now = with_legs(trading, filled)
    working = [OrderStatus.FILLED, OrderStatus.NEW, OrderStatus.HELD]
    expect("its legs work", states(now) == working, now)
    change = ReplaceOrderRequest(stop_price=round(price * 0.55, 2))
    stop = trading.replace_order_by_id(now.legs[1].id, change)
    now = with_legs(trading, filled)
    expect("its stop is replaced", now.legs[1].id == stop.id, now)
    trading.cancel_order_by_id(stop.id)
    left = states(with_legs(trading, filled))
    expect("a cancel ends both", left[1:] == [OrderStatus.CANCELED] * 2, left)

    oto = trading.submit_order(
        MarketOrderRequest(
            order_class=OrderClass.OTO, stop_loss=loss, client_order_id="oto", **entry
        )
    )
    updates.next("oto", ended("oto", "fill"))
    expect("its stop works", states(with_legs(trading, oto))[1:] == [OrderStatus.NEW], oto)
    trading.cancel_order_by_id(oto.legs[0].id)


def trailing_stop(trading, updates):
    order = trading.submit_order(
        TrailingStopOrderRequest(
            symbol=SYMBOL,
            qty=10,
            side=OrderSide.SELL,
            time_in_force=TimeInForce.GTC,
            trail_percent=50,
            client_order_id="trail",
        )
    )
    updates.next("trailing stop", ended("trail", "new"))
    best = float(order.hwm)
    expect("it follows", abs(float(order.stop_price) - best / 2) < 0.011, order)
    later = trading.get_order_by_id(order.id)
    expect("never back", float(later.hwm) >= best, later)
    nearer = trading.replace_order_by_id(order.id, ReplaceOrderRequest(trail=40))
    expect("a nearer trail", float(nearer.trail_percent) == 40, nearer)
    expect("from the best price", float(nearer.hwm) >= best, nearer)
    trading.cancel_order_by_id(nearer.id)


def fractions(trading):
    terms = {"symbol": SYMBOL, "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
    expect("fractionable", trading.get_asset(SYMBOL).fractionable)
    order = trading.submit_order(MarketOrderRequest(notional=250.5, **terms))
    expect("an amount in dollars", float(order.notional) == 250.5 and order.qty is None, order)
    part = trading.submit_order(MarketOrderRequest(qty=0.25, **terms))
    expect("a part of a share", float(part.qty) == 0.25, part)
    done = trading.get_order_by_id(order.id)
    bought = float(done.filled_qty)
    expect("it is filled", done.status == OrderStatus.FILLED and bought > 0, done)
    paid = bought * float(done.filled_avg_price)
    expect("for that amount", 250.49 < paid < 250.501, paid)

    def bracket():
        legs = {
            "take_profit": TakeProfitRequest(limit_price=10_000),
            "stop_loss": StopLossRequest(stop_price=1),
        }
        request = MarketOrderRequest(qty=0.5, order_class=OrderClass.BRACKET, **legs, **terms)
        return trading.submit_order(request)

    only = refusal("a part in a bracket", 422, 42210000, bracket)
    expect("in words", only.message == "fractional orders must be simple orders", only)
    long = terms | {"qty": 0.5, "time_in_force": TimeInForce.GTC}
    only = refusal(
        "a part for long", 422, 42210000, lambda: trading.submit_order(MarketOrderRequest(**long))
    )
    expect("in words", only.message == "fractional orders must be DAY orders", only)


def refusals(exchange, trading):
    def place(**more):
        order = {"symbol": SYMBOL, "qty": 1, "side": OrderSide.BUY, "time_in_force": "day"}
        return lambda: trading.submit_order(MarketOrderRequest(**order | more))

    poor = refusal("too expensive", 403, 40310000, place(qty=40_000))
    expect("in words", poor.message == "insufficient buying power", poor)
    refusal("shares that nobody has", 403, 40310000, place(symbol="MSFT", side="sell"))
    refusal("part of a share", 403, 40310000, place(qty=0.5))
    refusal("unknown symbol", 422, 42210000, place(symbol="NOBODY"))
    flat = lambda: trading.get_open_position("MSFT")
    refusal("no position", 404, 40410000, flat)
    thief = TradingClient(KEY, "x" * 40, paper=True, url_override=exchange.rest)
    refusal("wrong secret", 401, 40110000, thief.get_account)


# A minute of the market lasts a second. It opens after five of them.
with Exchange(
    binary(), "--protocol", "alpaca", pace="60x", symbols="AAPL,MSFT"
) as running:
    keys = {"api_key": KEY, "secret_key": SECRET}
    trading = TradingClient(**keys, paper=True, url_override=running.rest)
    data = StockHistoricalDataClient(**keys, url_override=running.rest)
    updates = Updates(**keys, paper=True, url_override=f"{running.socket}/stream")
    feed = StockDataStream(**keys, feed=DataFeed.IEX, url_override=f"{running.socket}/v2/iex")

    cash = account_and_market(trading)
    bars = Listener(feed, lambda take: feed.subscribe_bars(take, SYMBOL))
    orders = Listener(updates, updates.subscribe_trade_updates)
    expect("it listens to updates", updates.listening.wait(PATIENCE))
    price = market_data(data, bars)
    market_order(trading, orders, cash)
    resting_orders(trading, orders, price)
    replaced_orders(trading, orders, price)
    brackets(trading, orders, price)
    trailing_stop(trading, orders)
    refusals(running, trading)
    for listener in (bars, orders):
        listener.stop()

with Exchange(
    binary(), "--protocol", "alpaca", "--fractions", pace="60x", symbols="AAPL,MSFT"
) as running:
    trading = TradingClient(KEY, SECRET, paper=True, url_override=running.rest)
    # It opens after five minutes of the market.
    deadline = time.monotonic() + PATIENCE
    while not trading.get_clock().is_open:
        expect("the market opens", time.monotonic() < deadline)
        time.sleep(0.5)
    fractions(trading)
