"""python-binance drives the simulated exchange: nothing here was written for it but its address."""

import asyncio
import pathlib

from binance import AsyncClient, BinanceSocketManager
from binance.client import Client
from binance.exceptions import BinanceAPIException
from kit import KEY, SECRET, Exchange, binary, expect, refused

SYMBOL = "BTCUSDT"
# The key whose private half lies in the folder of the exchange. Documented in docs/EXCHANGE.md.
ED25519 = "everwarmSimulatedExchangeDemoEd25519Key0000000000000000000000000"
PATIENCE = 90


def aimed(client, exchange):
    """The same client with another address."""
    client.API_URL = f"{exchange.rest}/api"
    client.MARGIN_API_URL = f"{exchange.rest}/sapi"
    client.WEBSITE_URL = exchange.rest
    return client


def client(exchange, **more):
    return aimed(Client(ping=False, **({"api_key": KEY, "api_secret": SECRET} | more)), exchange)


def market_data(venue):
    expect("ping", venue.ping() == {})
    expect("status of the system", venue.get_system_status()["status"] == 0)
    names = {row["symbol"] for row in venue.get_exchange_info()["symbols"]}
    expect("symbols", names == {"BTCUSDT", "ETHUSDT"}, names)
    filters = {row["filterType"] for row in venue.get_symbol_info(SYMBOL)["filters"]}
    expect("filters", {"PRICE_FILTER", "LOT_SIZE"} <= filters, filters)
    bars = venue.get_historical_klines(SYMBOL, Client.KLINE_INTERVAL_1MINUTE, limit=500)
    apart = {later[0] - sooner[0] for sooner, later in zip(bars, bars[1:])}
    expect("bars without a hole", len(bars) >= 500 and apart == {60_000}, (len(bars), apart))
    book = venue.get_order_book(symbol=SYMBOL, limit=20)
    expect("order book", float(book["bids"][0][0]) < float(book["asks"][0][0]), book)
    ticker = venue.get_ticker(symbol=SYMBOL)
    expect("ticker", float(ticker["lastPrice"]) > 0, ticker)
    average = venue.get_avg_price(symbol=SYMBOL)
    expect("average price", float(average["price"]) > 0, average)
    return float(ticker["lastPrice"])


def orders(venue, last):
    bought = venue.order_market_buy(symbol=SYMBOL, quantity=0.01)
    expect("market order", bought["status"] == "FILLED", bought)
    resting = venue.order_limit_buy(symbol=SYMBOL, quantity=0.02, price=f"{last * 0.9:.2f}")
    expect("limit order", resting["status"] == "NEW", resting)
    found = venue.get_order(symbol=SYMBOL, orderId=resting["orderId"])
    expect("its state", found["status"] == "NEW", found)
    ids = [row["orderId"] for row in venue.get_open_orders(symbol=SYMBOL)]
    expect("open orders", ids == [resting["orderId"]], ids)
    held = venue.get_asset_balance(asset="USDT")
    expect("its money is held", float(held["locked"]) > 0, held)
    gone = venue.cancel_order(symbol=SYMBOL, orderId=resting["orderId"])
    expect("cancel", gone["status"] == "CANCELED", gone)
    pair = venue.create_oco_order(
        symbol=SYMBOL,
        side="SELL",
        quantity=0.009,
        aboveType="LIMIT_MAKER",
        abovePrice=f"{last * 1.2:.2f}",
        belowType="STOP_LOSS_LIMIT",
        belowPrice=f"{last * 0.79:.2f}",
        belowStopPrice=f"{last * 0.8:.2f}",
        belowTimeInForce="GTC",
    )
    expect("a pair of orders", pair["listOrderStatus"] == "EXECUTING", pair)
    expect("both are open", len(venue.get_open_orders(symbol=SYMBOL)) == 2)
    for row in venue.get_open_orders(symbol=SYMBOL)[:1]:
        venue.cancel_order(symbol=SYMBOL, orderId=row["orderId"])
    expect("one leaves with the other", venue.get_open_orders(symbol=SYMBOL) == [])
    fills = venue.get_my_trades(symbol=SYMBOL)
    expect("own trades", sum(float(row["qty"]) for row in fills) == 0.01, fills)
    fees = venue.get_trade_fee(symbol=SYMBOL)
    expect("fees", float(fees[0]["takerCommission"]) == 0.001, fees)


def errors(exchange, venue):
    error = refused(
        "no money",
        BinanceAPIException,
        lambda: venue.order_limit_buy(symbol=SYMBOL, quantity=1_000, price="50000"),
    )
    expect("-2010", error.code == -2010, error)
    thief = client(exchange, api_secret="x" * 64)
    error = refused("wrong secret", BinanceAPIException, thief.get_account)
    expect("-1022", error.code == -1022, error)


def signed_by_ed25519(exchange):
    pem = pathlib.Path(exchange.folder.name) / "ed25519.pem"
    venue = client(exchange, api_key=ED25519, api_secret=None, private_key=pem)
    expect("an account by Ed25519", venue.get_account()["canTrade"] is True)
    placed = venue.order_market_buy(symbol=SYMBOL, quantity=0.01)
    expect("an order by Ed25519", placed["status"] == "FILLED", placed)


async def sockets(exchange):
    venue = aimed(AsyncClient(KEY, SECRET), exchange)
    manager = BinanceSocketManager(venue)
    manager.STREAM_URL = f"{exchange.socket}/"
    async with manager.trade_socket(SYMBOL) as trades:
        trade = await asyncio.wait_for(trades.recv(), PATIENCE)
        expect("a trade of the stream", trade["e"] == "trade" and trade["s"] == SYMBOL, trade)
    async with manager.kline_socket(SYMBOL) as bars:
        bar = await asyncio.wait_for(bars.recv(), PATIENCE)
        expect("a bar of the stream", bar["e"] == "kline", bar)
    await venue.close_connection()


with Exchange(binary()) as running:
    of_secret = client(running)
    last_price = market_data(of_secret)
    orders(of_secret, last_price)
    errors(running, of_secret)
    signed_by_ed25519(running)
    asyncio.run(sockets(running))
