// The page: its parts in their order, and one stream for all of them.
import "/page/theme.js";
import { html, render } from "/page/html.js";
import { learn } from "/page/api.js";
import { connect } from "/page/store.js";
import { turn } from "/page/theme.js";
import { Configuration, follow } from "/page/config.js";
import { Banners, Head, Said, SignIn } from "/page/head.js";
import { Actors } from "/page/actors.js";
import { Chart } from "/page/chart.js";
import { Equity } from "/page/equity.js";
import { Controls } from "/page/controls.js";
import { ByHand } from "/page/by_hand.js";
import { Explain } from "/page/explain.js";
import { Feeds, Orders, Positions } from "/page/books.js";
import { Log } from "/page/log.js";
import { Regimes } from "/page/regimes.js";
import { Risk } from "/page/risk.js";
import { Tree } from "/page/tree.js";

const PARTS = { tree: "Supervision", chart: "Market", equity: "Equity", risk: "Risk",
  regimes: "Regimes",
  controls: "Controls", "by-hand": "Trade by hand",
  positions: "Positions", orders: "Orders", actors: "Actors", feeds: "Feeds", log: "Events",
  explain: "Why", config: "Configuration" };

const Nav = () => html`<nav aria-label="Parts of the page">
  ${Object.entries(PARTS).map(([id, name]) => html`<a key=${id} href=${`#${id}`}>${name}</a>`)}
  <button type="button" onClick=${turn}>light / dark</button></nav>`;

const Foot = () => html`<footer>
  <p>Times are UTC; hover over one for local time. Nothing here is advice.</p>
  <p>Candles by TradingView Lightweight Charts™, with Preact, htm and uPlot:${" "}
    <a href="/page/vendor/NOTICE">notices</a> and licences
    ${["preact", "htm", "lightweight-charts", "uplot"].map((name) => html`${" "}
      <a key=${name} href=${`/page/vendor/${name}/LICENSE`}>${name}</a>`)}.</p></footer>`;

const App = () => html`
  <a class="skip" href="#tree">Skip to the parts</a>
  <${Head} /><${Nav} /><${Banners} />
  <main>
    <div class="column">
      <${Tree} /><${Risk} /><${Controls} /><${ByHand} /><${Feeds} />
    </div>
    <div class="column wide">
      <${Chart} /><${Equity} /><${Positions} /><${Orders} /><${Regimes} />
    </div>
    <div class="column whole">
      <${Log} /><${Explain} /><${Actors} /><${Configuration} />
    </div>
  </main>
  <${Foot} /><${SignIn} /><${Said} />`;

follow();
const app = document.getElementById("app");
app.replaceChildren();
render(html`<${App} />`, app);
connect();
learn().catch(() => {});
