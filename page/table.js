// A table that sorts by any column and shows its rows in steps.
import { Component, html } from "/page/html.js";

const STEP = 40;

const compare = (a, b) => {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : -1;
  if (b === null || b === undefined) return 1;
  return a < b ? -1 : a > b ? 1 : 0;
};

class Row extends Component {
  shouldComponentUpdate(next) {
    const { row, tick, columns } = this.props;
    return next.row !== row || next.tick !== tick || next.columns !== columns;
  }
  render({ row, columns, name }) {
    return html`<tr class=${name ?? ""}>${columns.map((column) => html`
      <td class=${column.kind ?? ""}>${column.cell(row)}</td>`)}</tr>`;
  }
}

// columns: [{ id, name, value(row), cell(row), kind: "num" | "wide" | "narrow-off" }]
export class Table extends Component {
  constructor(props) {
    super(props);
    this.state = { by: props.by, down: props.down ?? false, shown: props.step ?? STEP };
  }

  sort(id) {
    const { by, down } = this.state;
    this.setState({ by: id, down: by === id ? !down : false });
  }

  render({ rows, columns, label, empty, id, tick, filter, rowClass }, { by, down, shown }) {
    const column = columns.find((c) => c.id === by);
    const wanted = filter ? rows.filter(filter) : rows.slice();
    if (column) {
      wanted.sort((a, b) => compare(column.value(a), column.value(b)) * (down ? -1 : 1));
    }
    if (wanted.length === 0) return html`<p class="empty">${empty ?? "None."}</p>`;
    const more = wanted.length - shown;
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr>${columns.map((c) => html`
          <th scope="col" class=${c.kind ?? ""} aria-sort=${
            c.id !== by ? "none" : down ? "descending" : "ascending"}>
            <button type="button" onClick=${() => this.sort(c.id)}>${c.name}
              <span aria-hidden="true">${c.id !== by ? "" : down ? " ↓" : " ↑"}</span>
            </button></th>`)}</tr></thead>
        <tbody>${wanted.slice(0, shown).map((row) => html`
          <${Row} key=${id(row)} row=${row} columns=${columns} tick=${tick}
            name=${rowClass?.(row)} />`)}</tbody>
      </table>
      ${more > 0 && html`<button type="button" class="more"
        onClick=${() => this.setState({ shown: shown + 100 })}>
        ${`Show ${Math.min(more, 100)} more of ${more}`}</button>`}
    </div>`;
  }
}

// A part of the page with its heading.
export const Panel = ({ id, title, aside, children }) => html`
  <section class="panel" id=${id} aria-labelledby=${`${id}-title`}>
    <header><h2 id=${`${id}-title`}>${title}</h2><div class="aside">${aside}</div></header>
    ${children}
  </section>`;

// One of several, as buttons.
export const Choice = ({ label, options, value, onChoose }) => html`
  <div class="choice" role="group" aria-label=${label}>${options.map((option) => html`
    <button type="button" aria-pressed=${String(option === value)}
      onClick=${() => onChoose(option)}>${option}</button>`)}</div>`;
