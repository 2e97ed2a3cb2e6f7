"""ccxt drives the simulated exchange: nothing here was written for it but its address."""

import ccxt
from kit import KEY, SECRET, Exchange, binary, expect, refused

SYMBOL = "BTC/USDT"


def client(exchange, **more):
    """ccxt's Binance with another address; what is not spot is not looked at."""
    options = {
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
    }
    venue = ccxt.binance({"apiKey": KEY, "secret": SECRET, "options": options, **more})
    # Whatever it may ask, it asks us.
    for name in venue.urls["api"]:
        venue.urls["api"][name] = f"{exchange.rest}/api/v3"
    return venue


def market_data(venue):
    markets = venue.load_markets()
    expect("markets", set(markets) == {"BTC/USDT", "ETH/USDT"}, set(markets))
    expect("steps of a market", markets[SYMBOL]["precision"]["amount"] > 0, markets[SYMBOL])
    ticker = venue.fetch_ticker(SYMBOL)
    expect("ticker", ticker["bid"] < ticker["last"] < ticker["ask"], ticker)
    expect("tickers", len(venue.fetch_tickers()) == 2)
    expect("best bids and asks", len(venue.fetch_bids_asks()) == 2)
    expect("last prices", len(venue.fetch_last_prices()) == 2)
    book = venue.fetch_order_book(SYMBOL, limit=20)
    expect("order book", len(book["bids"]) == 20 and book["bids"][0][0] < book["asks"][0][0], book)
    bars = venue.fetch_ohlcv(SYMBOL, "1m", limit=1000)
    apart = {later[0] - sooner[0] for sooner, later in zip(bars, bars[1:])}
    expect("1,000 bars without a hole", len(bars) == 1000 and apart == {60_000}, apart)
    expect("trades", len(venue.fetch_trades(SYMBOL, limit=50)) == 50)
    expect("time", abs(venue.fetch_time() - venue.milliseconds()) < 2_000)
    return ticker["last"]


def orders(venue, last):
    before = venue.fetch_balance()
    bought = venue.create_order(SYMBOL, "market", "buy", 0.01)
    expect("market order", bought["status"] == "closed" and bought["filled"] == 0.01, bought)
    expect("its fee", bought["fee"]["currency"] == "BTC", bought["fee"])
    price = venue.price_to_precision(SYMBOL, last * 0.9)
    resting = venue.create_order(SYMBOL, "limit", "buy", 0.02, price)
    expect("limit order", resting["status"] == "open", resting)
    held = venue.fetch_balance()["USDT"]
    expect("its money is held", held["used"] > 0 and held["free"] < before["USDT"]["free"], held)
    open_ids = [order["id"] for order in venue.fetch_open_orders(SYMBOL)]
    expect("open orders", open_ids == [resting["id"]], open_ids)
    edited = venue.edit_order(resting["id"], SYMBOL, "limit", "buy", 0.03, price)
    expect("cancel and replace", edited["amount"] == 0.03 and edited["id"] != resting["id"], edited)
    gone = venue.cancel_order(edited["id"], SYMBOL)
    expect("cancel", gone["status"] == "canceled", gone)
    stop = venue.price_to_precision(SYMBOL, last * 0.8)
    params = {"stopPrice": stop, "timeInForce": "GTC"}
    stopped = venue.create_order(SYMBOL, "STOP_LOSS_LIMIT", "sell", 0.009, stop, params)
    found = venue.fetch_order(stopped["id"], SYMBOL)
    expect("stop", found["status"] == "open" and found["triggerPrice"] == float(stop), found)
    expect("cancel all", len(venue.cancel_all_orders(SYMBOL)) == 1)
    statuses = {order["status"] for order in venue.fetch_orders(SYMBOL)}
    expect("all orders", statuses == {"closed", "canceled"}, statuses)
    fills = venue.fetch_my_trades(SYMBOL)
    expect("own trades", sum(fill["amount"] for fill in fills) == 0.01, fills)

    expect("nothing is held any more", venue.fetch_balance()["USDT"]["used"] == 0)


def errors(venue, last):
    buy = lambda amount, price=None, kind="limit": venue.create_order(
        SYMBOL, kind, "buy", amount, price
    )
    low = venue.price_to_precision(SYMBOL, last * 0.9)
    refused("no money", ccxt.InsufficientFunds, lambda: buy(1_000, low))
    refused("too small", ccxt.BadRequest, lambda: buy(0.00001, low))
    refused("unknown order", ccxt.OrderNotFound, lambda: venue.fetch_order("999999", SYMBOL))
    refused("cancel of nothing", ccxt.OrderNotFound, lambda: venue.cancel_order("999999", SYMBOL))
    unknown = lambda: venue.public_get_ticker_price({"symbol": "NOUSDT"})
    refused("unknown symbol", ccxt.BadSymbol, unknown)
    maker = lambda: venue.create_order(SYMBOL, "limit", "buy", 0.01, last * 1.1, {"postOnly": True})
    refused("must rest and would not", ccxt.OrderImmediatelyFillable, maker)


def strangers(exchange):
    thief = client(exchange, secret="x" * 64)
    refused("wrong secret", ccxt.AuthenticationError, thief.fetch_balance)
    nobody = client(exchange, apiKey="y" * 64)
    refused("wrong key", ccxt.AuthenticationError, nobody.fetch_balance)
    late = client(exchange)
    late.nonce = lambda: late.milliseconds() - 60_000
    refused("old request", ccxt.InvalidNonce, late.fetch_balance)
    greedy = client(exchange, enableRateLimit=False)

    def ask_on():
        for _ in range(200):
            greedy.public_get_ticker_24hr()

    error = refused("weight of a minute", (ccxt.DDoSProtection, ccxt.RateLimitExceeded), ask_on)
    expect("it says so", "-1003" in str(error), error)


with Exchange(binary()) as running:
    venue = client(running)
    last = market_data(venue)
    orders(venue, last)
    errors(venue, last)
    strangers(running)
