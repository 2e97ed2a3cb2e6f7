"""The official SDK drives the simulated exchange: REST, WebSocket API, streams, lists, refusals."""

import asyncio

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import (
    BadRequestError,
    RateLimitBanError,
    TooManyRequestsError,
    UnauthorizedError,
)
from binance_sdk_spot.spot import Spot
from kit import KEY, SECRET, Exchange, binary, expect, refused

SYMBOL = "BTCUSDT"
# Within this many seconds what must come has come.
PATIENCE = 90


def client(exchange, key=KEY, secret=SECRET):
    signed = {"api_key": key, "api_secret": secret}
    rest = ConfigurationRestAPI(**signed, base_path=exchange.rest, retries=0, timeout=5_000)
    socket = ConfigurationWebSocketAPI(**signed, stream_url=f"{exchange.socket}/ws-api/v3")
    streams = ConfigurationWebSocketStreams(stream_url=exchange.socket)
    return Spot(rest, socket, streams)


def market_data(rest):
    info = rest.exchange_info(symbol=SYMBOL).data()
    expect("exchange information", info.symbols[0].oco_allowed is True, info)
    price = rest.ticker_price(symbol=SYMBOL).data()
    last = float(price.actual_instance.price if hasattr(price, "actual_instance") else price.price)
    book = rest.depth(symbol=SYMBOL, limit=5).data()
    expect("book", float(book.bids[0][0]) < last < float(book.asks[0][0]), book)
    bars = rest.klines(symbol=SYMBOL, interval="1m", limit=1000).data()
    expect("1,000 bars", len(bars) == 1000)
    expect("average price", float(rest.avg_price(symbol=SYMBOL).data().price) > 0)
    answer = rest.ticker_book_ticker(symbol=SYMBOL)
    weights = [limit for limit in answer.rate_limits if limit.rateLimitType == "REQUEST_WEIGHT"]
    expect("weight in the headers", weights and weights[0].count > 0, answer.rate_limits)
    return last


def lists(rest, last):
    bought = rest.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.02).data()
    expect("market order", bought.status == "FILLED" and bought.fills, bought)
    pair = {"side": "SELL", "quantity": 0.01, "above_type": "LIMIT_MAKER"}
    pair |= {"above_price": round(last * 1.2), "below_type": "STOP_LOSS"}
    placed = rest.order_list_oco(
        symbol=SYMBOL, **pair, below_stop_price=round(last * 0.8), list_client_order_id="exit"
    ).data()
    expect("one cancels the other", placed.contingency_type == "OCO", placed)
    expect("its two orders", len(placed.order_reports) == 2, placed)
    open_lists = rest.open_order_list().data()
    expect("open lists", [row.list_client_order_id for row in open_lists] == ["exit"], open_lists)
    gone = rest.delete_order_list(symbol=SYMBOL, list_client_order_id="exit").data()
    expect("cancel of a list", gone.list_order_status == "ALL_DONE", gone)
    bracket = rest.order_list_otoco(
        symbol=SYMBOL,
        working_type="LIMIT",
        working_side="BUY",
        working_price=round(last * 1.01),
        working_quantity=0.01,
        working_time_in_force="GTC",
        pending_side="SELL",
        pending_quantity=0.009,
        pending_above_type="LIMIT_MAKER",
        pending_above_price=round(last * 1.2),
        pending_below_type="STOP_LOSS",
        pending_below_stop_price=round(last * 0.8),
    ).data()
    expect("one triggers two", bracket.contingency_type == "OTO", bracket)
    found = rest.get_order_list(order_list_id=bracket.order_list_id).data()
    expect("it stands", found.list_order_status == "EXECUTING", found)
    open_orders = rest.get_open_orders(symbol=SYMBOL).data()
    expect("its pair is placed", [o.status for o in open_orders] == ["NEW", "NEW"], open_orders)
    expect("cancel all", len(rest.delete_open_orders(symbol=SYMBOL).data()) == 1)
    fees = rest.account_commission(symbol=SYMBOL).data()
    expect("commission", float(fees.standard_commission.taker) == 0.001, fees)
    counts = rest.rate_limit_order().data()
    expect("orders are counted", {row.interval for row in counts} == {"SECOND", "DAY"}, counts)


def errors(exchange, rest):
    def place(**more):
        order = {"side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 0.01}
        return rest.new_order(symbol=SYMBOL, **(order | more))

    error = refused("off the tick", BadRequestError, lambda: place(price=60000.00001))
    expect("the filter is named", "PRICE_FILTER" in error.error_message, error)
    error = refused("no money", BadRequestError, lambda: place(price=50000, quantity=1000))
    expect("in words", "insufficient balance" in error.error_message, error)
    thief = client(exchange, secret="x" * 64).rest_api
    error = refused("wrong secret", BadRequestError, thief.get_account)
    expect("-1022", error.status_code == -1022, error)
    nobody = client(exchange, key="y" * 64).rest_api
    refused("wrong key", UnauthorizedError, nobody.get_account)


def bans(rest):
    def ask_on():
        for _ in range(200):
            rest.ticker24hr()

    warned = refused("weight of a minute", TooManyRequestsError, ask_on)
    expect("-1003", warned.status_code == -1003, warned)

    def go_on():
        for _ in range(400):
            try:
                rest.ticker24hr()
            except TooManyRequestsError:
                pass

    refused("who goes on is banned", RateLimitBanError, go_on)


async def sockets(venue, last):
    api = await venue.websocket_api.create_connection()
    subscription = await api.user_data_stream_subscribe_signature()
    events = asyncio.Queue()
    subscription.stream.on("message", events.put_nowait)
    answer = await api.order_place(
        symbol=SYMBOL,
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity=0.01,
        price=round(last * 0.9),
    )
    placed = answer.data().result
    expect("order over the socket", placed.status == "NEW", placed)
    status = (await api.order_status(symbol=SYMBOL, order_id=placed.order_id)).data().result
    expect("its status", status.is_working is True, status)
    gone = (await api.order_cancel(symbol=SYMBOL, order_id=placed.order_id)).data().result
    expect("its cancel", gone.status == "CANCELED", gone)
    told = [await asyncio.wait_for(events.get(), PATIENCE) for _ in range(4)]
    expect("events of the account", len(told) == 4, told)
    await api.close_connection(close_session=True)

    streams = await venue.websocket_streams.create_connection()
    seen = asyncio.Queue()
    trades = await streams.trade(symbol=SYMBOL.lower())
    trades.on("message", seen.put_nowait)
    bars = await streams.kline(symbol=SYMBOL.lower(), interval="1m")
    bars.on("message", seen.put_nowait)
    # Who is subscribed just as a minute ends is told its trades first, and its bar a minute later.
    told = []
    while len({row.e for row in told}) < 2 and len(told) < 20:
        told.append(await asyncio.wait_for(seen.get(), PATIENCE))
    expect("trades and a bar of the minute", {row.e for row in told} == {"trade", "kline"}, told)
    await streams.close_connection(close_session=True)


with Exchange(binary()) as running:
    venue = client(running)
    last = market_data(venue.rest_api)
    lists(venue.rest_api, last)
    errors(running, venue.rest_api)
    asyncio.run(sockets(venue, last))
    bans(venue.rest_api)
