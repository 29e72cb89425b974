// The supervision trees: rows that are kept and changed, opened and walked by keyboard.
"use strict";

const rows = new Map();
const mores = new Map();
let shown = [];

show.trees = ({ trees, allow_control }) => {
  $("actor-orders").hidden = !allow_control;
  const wanted = [];
  const seen = new Set();
  for (const tree of trees) walk(tree, 0, wanted, seen);
  for (const kept of [rows, mores]) for (const path of [...kept.keys()]) if (!seen.has(path)) kept.delete(path);
  place(wanted);
  summarize(wanted.filter((row) => row.node && !row.classList.contains("more")).map((row) => row.node));
};

function summarize(nodes) {
  const closed = nodes.filter((node) => node.below && !node.is_open);
  const actors = nodes.filter((node) => !node.below).length + closed.reduce((sum, node) => sum + node.below.total, 0);
  const restarts = nodes.reduce((sum, node) => sum + node.restarts, 0) + closed.reduce((sum, node) => sum + node.below.restarts, 0);
  $("summary").textContent = `${many(actors, "actor")} · ${many(restarts, "restart")}`;
}

function walk(node, depth, wanted, seen) {
  seen.add(node.path);
  wanted.push(drawRow(node, depth));
  for (const child of node.children || []) walk(child, depth + 1, wanted, seen);
  const total = node.below?.total ?? 0;
  if (node.is_open && total > node.children.length) {
    wanted.push(drawMore(node, depth + 1, total));
  }
}

function drawRow(node, depth) {
  let row = rows.get(node.path);
  if (!row) {
    row = make("div", "row");
    row.append(make("span", "name"), make("span"), make("span", "operation quiet"), make("span", "restarts number"));
    row.setAttribute("role", "treeitem");
    row.tabIndex = -1;
    row.addEventListener("click", () => { row.focus(); row.node.below ? toggle(row.node) : openActor(row.node.path); });
    rows.set(node.path, row);
  }
  const fresh = row.node && row.node.life !== node.life;
  row.node = node;
  row.dataset.path = node.path;
  row.style.setProperty("--depth", depth);
  row.setAttribute("aria-level", depth + 1);
  const [name, status, operation, restarts] = row.children;
  name.textContent = node.name;
  if (node.kind !== "supervisor" && node.kind !== node.name) name.append(" ", make("span", "kind", node.kind));
  status.textContent = node.status;
  status.className = `state ${node.status}`;
  if (node.below) {
    row.setAttribute("aria-expanded", node.is_open);
    const states = Object.entries(node.below.statuses).map(([state, count]) => `${number(count)} ${state}`).join(", ");
    operation.textContent = node.is_open ? "" : states || "no children";
  } else {
    row.since = node.since;
    row.doing = node.operation;
    age(row);
  }
  const lives = node.restarts + (node.is_open ? 0 : node.below?.restarts ?? 0);
  restarts.textContent = lives ? many(lives, "restart") : "";
  row.title = node.exit ? `last life: ${node.exit}` : node.path;
  if (fresh) { row.classList.remove("fresh"); void row.offsetWidth; row.classList.add("fresh"); }
  return row;
}

function drawMore(node, depth, total) {
  let more = mores.get(node.path);
  if (!more) {
    more = make("div", "more");
    more.append(make("button", "", "‹ before"), " ", make("span", "quiet"), " ", make("button", "", "more ›"));
    more.children[0].addEventListener("click", () => turn(more.node, -100));
    more.children[2].addEventListener("click", () => turn(more.node, 100));
    mores.set(node.path, more);
  }
  more.node = node;
  more.style.setProperty("--depth", depth);
  more.children[0].disabled = node.start === 0;
  more.children[1].textContent = `${number(node.start + 1)} to ${number(node.start + node.children.length)} of ${number(total)}`;
  more.children[2].disabled = node.start + node.children.length >= total;
  return more;
}

function place(wanted) {
  if (wanted.length === shown.length && wanted.every((row, at) => row === shown[at])) return;
  const focused = document.activeElement;
  $("tree").replaceChildren(...wanted);
  shown = wanted;
  if (!wanted.some((row) => row.tabIndex === 0) && wanted[0]) wanted[0].tabIndex = 0;
  if (wanted.includes(focused)) focused.focus();
}

const age = (row) => {
  const seconds = row.since === null ? null : Math.max(0, Math.round(Date.now() / 1000 - row.since));
  const queued = row.node.queued ? `${number(row.node.queued)} queued` : "";
  const doing = row.doing ? `${row.doing}${seconds < 1 ? "" : ` · ${span(seconds)}`}` : "";
  row.children[2].textContent = [doing, queued].filter(Boolean).join(" · ");
};
setInterval(() => { for (const row of shown) if (row.doing) age(row); }, 1000);

function toggle(node) {
  const close = node.is_open;
  view.open.delete(node.path);
  view.closed.delete(node.path);
  (close ? view.closed : view.open).add(node.path);
  connect();
}

function turn(node, by) {
  view.starts.set(node.path, Math.max(0, node.start + by));
  connect();
}

$("tree").addEventListener("keydown", (event) => {
  const items = shown.filter((row) => row.classList.contains("row"));
  const at = items.indexOf(document.activeElement);
  if (at < 0) return;
  const { node } = items[at];
  const go = (to) => {
    const next = items[Math.min(Math.max(to, 0), items.length - 1)];
    items[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  };
  const keys = {
    ArrowDown: () => go(at + 1),
    ArrowUp: () => go(at - 1),
    Home: () => go(0),
    End: () => go(items.length - 1),
    ArrowRight: () => { if (node.below && !node.is_open) toggle(node); else go(at + 1); },
    ArrowLeft: () => {
      if (node.is_open) toggle(node);
      else go(items.findIndex((row) => row.node.path === node.path.slice(0, node.path.lastIndexOf("/"))));
    },
    Enter: () => (node.below ? toggle(node) : openActor(node.path)),
    " ": () => (node.below ? toggle(node) : openActor(node.path)),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
