// The page: hears the stream, keeps what was last said, draws what is open. Everything shown is set as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const make = (tag, kind, text) => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
};
const number = (value, digits = 0) => value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });
const figure = (value) => value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString();
const span = (seconds) => seconds === null || seconds === undefined ? "–"
  : seconds < 0.9995 ? `${(seconds * 1000).toPrecision(3)} ms` : seconds < 120 ? `${seconds.toPrecision(3)} s` : `${Math.round(seconds / 60)} min`;
const clock = (at) => new Date(at * 1000).toLocaleTimeString("en-GB");

// ------------------------------------------------------------------ the line to the process

const token = (() => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);  // not for the history, nor for who looks over a shoulder
  }
  return given || sessionStorage.getItem("token") || "";
})();
const headers = token ? { Authorization: `Bearer ${token}` } : {};

const view = { open: new Set(), closed: new Set(), starts: new Map() };
let line = null;
let pause = 500;

const say = (words, kind) => { $("line").textContent = words; $("line").className = kind; };

const query = () => {
  const parts = new URLSearchParams();
  for (const path of view.open) parts.append("open", path);
  for (const path of view.closed) parts.append("closed", path);
  for (const [path, start] of view.starts) parts.append("start", `${start}:${path}`);
  return parts;
};

async function connect() {
  line?.abort();
  const mine = line = new AbortController();
  try {
    const answer = await fetch(`api/stream?${query()}`, { headers, signal: mine.signal });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    say("live", "live");
    pause = 500;
    await hear(answer.body);
    throw new Error("the process has closed the line");
  } catch (error) {
    if (mine !== line) return;
    say(`${error.message}; asking again`, "lost");
    setTimeout(() => { if (mine === line) connect(); }, pause);
    pause = Math.min(2 * pause, 10000);
  }
}

async function hear(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const pieces = (rest + value).split("\n\n");
    rest = pieces.pop();
    for (const piece of pieces) {
      const found = /^event: (\w+)\ndata: (.*)$/s.exec(piece);
      if (found) show[found[1]]?.(JSON.parse(found[2]));
    }
  }
}

// ------------------------------------------------------------------ the tree

const rows = new Map();
let shown = [];

const show = {
  trees({ trees, allow_control }) {
    $("actor-orders").hidden = !allow_control;
    const wanted = [];
    const seen = new Set();
    for (const tree of trees) walk(tree, 0, wanted, seen);
    for (const path of [...rows.keys()]) if (!seen.has(path)) rows.delete(path);
    place(wanted);
  },
  runs({ runs }) {
    const unfolded = new Set([...$("runs").querySelectorAll("details[open]")].map((list) => list.dataset.path));
    $("runs").replaceChildren(...(runs.length ? runs.map(drawRun) : [make("p", "hint", "No run yet.")]));
    for (const list of $("runs").querySelectorAll("details")) list.open = unfolded.has(list.dataset.path);
  },
  requests({ sets }) { drawRequests(sets); },
  waits({ waits }) {
    $("waiting").hidden = waits.length === 0;
    $("waits").replaceChildren(...waits.flatMap(({ tree, total, lines }) => [
      make("h3", "", `${tree}: ${number(total)} operation${total > 1 ? "s" : ""}`), make("pre", "", lines.join("\n"))]));
  },
  events({ events }) { drawEvents(events); },
};

function walk(node, depth, wanted, seen) {
  seen.add(node.path);
  wanted.push(drawRow(node, depth));
  for (const child of node.children || []) walk(child, depth + 1, wanted, seen);
  const total = node.below?.total ?? 0;
  if (node.is_open && total > node.children.length) {
    seen.add(`${node.path}\n`);
    wanted.push(drawMore(node, depth + 1, total));
  }
}

function drawRow(node, depth) {
  let row = rows.get(node.path);
  if (!row) {
    row = make("div", "row");
    row.append(make("span", "name"), make("span"), make("span", "operation quiet"), make("span", "queued number quiet"), make("span", "restarts number"));
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
  const [name, status, operation, queued, restarts] = row.children;
  name.textContent = node.name;
  if (node.kind !== "supervisor" && node.kind !== node.name) name.append(" ", make("span", "kind", node.kind));
  status.textContent = node.status;
  status.className = node.status;
  if (node.below) {
    row.setAttribute("aria-expanded", node.is_open);
    const states = Object.entries(node.below.statuses).map(([state, count]) => `${number(count)} ${state}`).join(", ");
    operation.textContent = states || "no children";
  } else {
    row.since = node.since;
    row.doing = node.operation;
    age(row);
  }
  queued.textContent = node.queued ? `${number(node.queued)} queued` : "";
  const lives = node.restarts + (node.is_open ? 0 : node.below?.restarts ?? 0);
  restarts.textContent = lives ? `${number(lives)} restart${lives > 1 ? "s" : ""}` : "";
  row.title = node.exit ? `last life: ${node.exit}` : node.path;
  if (fresh) { row.classList.remove("fresh"); void row.offsetWidth; row.classList.add("fresh"); }
  return row;
}

function drawMore(node, depth, total) {
  const key = `${node.path}\n`;
  let more = rows.get(key);
  if (!more) {
    more = make("div", "more");
    more.append(make("button", "", "‹ before"), " ", make("span", "quiet"), " ", make("button", "", "more ›"));
    more.children[0].addEventListener("click", () => turn(more.node, -100));
    more.children[2].addEventListener("click", () => turn(more.node, 100));
    rows.set(key, more);
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
  row.children[2].textContent = row.doing ? `${row.doing} ${seconds < 1 ? "" : `· ${span(seconds)}`}` : "";
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

// ------------------------------------------------------------------ runs, requests, events

function drawRun(run) {
  const card = make("article", "run");
  card.append(make("h3", "", run.name));
  const progress = run.progress === null || run.progress === undefined ? "" : ` (${Math.round(100 * run.progress)} %)`;
  card.append(make("p", "hint", [run.model, `step ${number(run.step)}${progress}`, `loss ${figure(run.last_loss)}`,
    `learning rate ${figure(run.learning_rate)}`, `${number(run.tokens_per_second)} tokens/s`].filter(Boolean).join(" · ")));
  if (run.loss.steps.length > 1) card.append(curve(run.loss));
  if (run.checkpoints.length) {
    const list = make("details");
    list.dataset.path = run.path;
    list.append(make("summary", "", `${run.checkpoints.length} checkpoint${run.checkpoints.length > 1 ? "s" : ""}`));
    for (const one of run.checkpoints) list.append(make("p", "hint", `${one.name}, step ${one.batch}: ${one.state_path || one.sampler_path || ""}`));
    card.append(list);
  }
  return card;
}

function curve({ steps, values }) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 100 30");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `loss from ${figure(values[0])} at step ${steps[0]} to ${figure(values.at(-1))} at step ${steps.at(-1)}`);
  const [left, right] = [steps[0], steps.at(-1)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const drawn = document.createElementNS(space, "polyline");
  drawn.setAttribute("points", values.map((value, at) =>
    `${(100 * (steps[at] - left) / (right - left || 1)).toFixed(2)},${(29 - 28 * (value - low) / (high - low || 1)).toFixed(2)}`).join(" "));
  picture.append(drawn);
  return picture;
}

function drawRequests(sets) {
  const parts = [];
  for (const set of sets) {
    if (!set.requests.length) continue;
    const table = make("table");
    const head = make("tr");
    head.append(make("th", "", set.name), ...["sent", "failed", "p50", "p95", "p99"].map((name) => make("th", "number", name)));
    table.append(head);
    for (const one of set.requests) {
      const row = make("tr");
      row.append(make("td", "", one.operation), make("td", "number", number(one.count)), make("td", one.failures ? "number failed" : "number", number(one.failures)),
        ...["p50", "p95", "p99"].map((name) => make("td", "number", span(one[name]))));
      table.append(row);
    }
    const scroll = make("div", "scroll");
    scroll.append(table);
    parts.push(scroll);
    const gauges = Object.entries(set.gauges).map(([name, value]) => `${name.replace(/^tinkex_/, "").replaceAll("_", " ")} ${number(value, 2)}`);
    if (gauges.length) parts.push(make("p", "hint", gauges.join(" · ")));
  }
  $("requests").replaceChildren(...(parts.length ? parts : [make("p", "hint", "Nothing counted yet.")]));
}

let last = 0;
function drawEvents(events) {
  for (const one of events) {
    if (one.number <= last) continue;
    last = one.number;
    const item = make("li");
    item.append(make("time", "", clock(one.at)), make("span", one.kind, `${one.path} ${words[one.kind] || one.kind}`), ` ${one.text}`);
    if (one.traceback) {
      const story = make("details");
      story.append(make("summary", "", "traceback"), make("pre", "", one.traceback));
      item.append(story);
    }
    $("events").prepend(item);
  }
  while ($("events").children.length > 300) $("events").lastChild.remove();
}
const words = { ChildStarted: "started", ChildStopped: "stopped", ChildCrashed: "crashed", ChildKilled: "was killed", RestartScheduled: "restarts",
  SupervisorGaveUp: "gave up", ChildStuck: "is stuck", OperationSlow: "is slow", MessageDropped: "lost a message", CastFailed: "failed a message", ObserverFailed: "observer failed" };

// ------------------------------------------------------------------ one actor

let looking = null;

function openActor(path) {
  $("actor-title").textContent = path;
  $("actor-said").textContent = "";
  $("actor-body").replaceChildren();
  $("actor-facts").textContent = "";
  if (!$("actor").open) $("actor").show();
  clearInterval(looking);
  const look = async () => {
    const answer = await fetch(`api/actor?${new URLSearchParams({ path })}`, { headers }).catch(() => null);
    if (!answer || $("actor-title").textContent !== path) return;
    const found = await answer.json();
    if (answer.ok) drawActor(found);
    else $("actor-facts").textContent = found.detail;
  };
  look();
  looking = setInterval(look, 1000);
}

function drawActor(found) {
  const facts = [found.status, `life ${found.life}`, `${found.restarts} restarts`, `${found.queued} queued`];
  if (found.dropped) facts.push(`${found.dropped} dropped`);
  if (found.operation) facts.push(`${found.operation} for ${span(found.age)}`);
  $("actor-facts").textContent = facts.join(" · ");
  const parts = [];
  const part = (title, text) => { if (text) parts.push(make("h3", "", title), make("pre", "", text)); };
  part("Last exit", found.traceback || found.exit);
  part("Where its tasks are", found.stacks.map((stack) => stack.join("\n")).join("\n\n"));
  part("Trace", found.trace.map((one) => `${clock(one.at)}  ${one.operation}  ${one.seconds === null ? "began" : one.error ? `raised ${one.error}` : `ended after ${span(one.seconds)}`}`).join("\n") || "operations appear here while this is open");
  $("actor-body").replaceChildren(...parts);
}

$("actor").addEventListener("close", () => {
  clearInterval(looking);
  const row = rows.get($("actor-title").textContent);
  if (row?.isConnected) row.focus();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && $("actor").open) $("actor").close(); });

for (const action of ["pause", "resume", "restart", "stop"]) {
  const button = make("button", "", action);
  button.type = "button";
  button.dataset.action = action;
  button.addEventListener("click", async () => {
    if ((action === "restart" || action === "stop") && !button.classList.contains("sure")) {
      button.textContent = `${action}, really?`;
      button.classList.add("sure");
      setTimeout(() => { button.textContent = action; button.classList.remove("sure"); }, 4000);
      return;
    }
    button.textContent = action;
    button.classList.remove("sure");
    const body = JSON.stringify({ path: $("actor-title").textContent, action });
    const answer = await fetch("api/control", { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body });
    const found = await answer.json();
    $("actor-said").textContent = found.done || found.detail;
  });
  $("actor-orders").append(button);
}

connect();
