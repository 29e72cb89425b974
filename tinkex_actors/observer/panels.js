// Runs, what waits, requests and events.
"use strict";

const cards = new Map();

show.runs = ({ order, runs }) => {
  for (const run of runs) drawRun(run);
  for (const path of [...cards.keys()]) if (!order.includes(path)) cards.delete(path);
  const wanted = order.map((path) => cards.get(path)).filter(Boolean);
  $("runs").replaceChildren(...(wanted.length ? wanted : [make("p", "hint", "No run yet.")]));
};

function drawRun(run) {
  const before = cards.get(run.path);
  const isUnfolded = before?.querySelector("details")?.open ?? false;
  const card = make("article", "run");
  const head = make("h3", "", run.name);
  if (run.state) head.append(make("span", `state ${run.state}`, run.state));
  const loss = make("span", "loss", figure(run.last_loss));
  loss.append(make("small", "", " loss"));
  head.append(loss);
  const steps = run.of_steps ? `step ${number(run.steps)} of ${number(run.of_steps)}` : `step ${number(run.steps)}`;
  const facts = [run.model, steps, run.last_tokens_per_second === null ? "" : `${number(run.last_tokens_per_second)} tokens/s`,
    run.last_learning_rate === null ? "" : `learning rate ${figure(run.last_learning_rate)}`, run.recoveries ? `recovered ${many(run.recoveries, "time")}` : ""];
  card.append(head, make("p", "hint", facts.filter(Boolean).join(" · ")));
  if (run.of_steps) {
    const bar = make("progress");
    bar.max = run.of_steps;
    bar.value = run.steps;
    bar.setAttribute("aria-label", steps);
    card.append(bar);
  }
  if (run.curve.steps.length > 1) card.append(chart(run.curve));
  if (run.last_failure) card.append(make("p", "hint", `last failure: ${run.last_failure}`));
  if (run.checkpoints.length) card.append(checkpoints(run, isUnfolded));
  cards.set(run.path, card);
}

function checkpoints(run, isUnfolded) {
  const list = make("details", "hint");
  list.open = isUnfolded;
  list.append(make("summary", "", many(run.checkpoints.length, "checkpoint")));
  for (const one of run.checkpoints) list.append(make("p", "hint", `${one.name}, step ${one.batch}: ${one.state_path || one.sampler_path || ""}`));
  return list;
}

function chart({ steps, values }) {
  const [left, right] = [steps[0], steps.at(-1)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 100 30");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `loss from ${figure(values[0])} at step ${left} to ${figure(values.at(-1))} at step ${right}`);
  const drawn = document.createElementNS(space, "polyline");
  drawn.setAttribute("points", values.map((value, at) =>
    `${(100 * (steps[at] - left) / (right - left || 1)).toFixed(2)},${(29 - 28 * (value - low) / (high - low || 1)).toFixed(2)}`).join(" "));
  picture.append(drawn);
  const whole = make("div", "chart");
  const along = make("div", "steps");
  along.append(make("span", "", `step ${number(left)}`), make("span", "", number(right)));
  whole.append(make("span", "high", figure(high)), picture, make("span", "low", figure(low)), along);
  return whole;
}

show.waits = ({ waits }) => {
  $("waiting").hidden = waits.length === 0;
  $("waits").replaceChildren(...waits.flatMap(({ tree, total, lines }) => [
    make("h3", "", `${tree}: ${many(total, "operation")}`), make("pre", "", lines.join("\n"))]));
};

show.requests = ({ sets }) => {
  const table = make("table");
  const gauges = [];
  for (const set of sets.filter(({ requests }) => requests.length)) {
    const head = make("tr", table.childElementCount ? "next" : "");
    head.append(make("th", "", set.name), ...["sent", "failed", "p50", "p95", "p99"].map((name) => make("th", "number", name)));
    table.append(head, ...set.requests.map(drawRequest));
    const told = Object.entries(set.gauges).map(([name, value]) => `${name.replace(/^tinkex_/, "").replaceAll("_", " ")} ${number(value, 2)}`);
    if (told.length) gauges.push(make("p", "hint", `${set.name}: ${told.join(" · ")}`));
  }
  const scroll = make("div", "scroll");
  scroll.append(table);
  $("requests").replaceChildren(...(table.childElementCount ? [scroll, ...gauges] : [make("p", "hint", "Nothing counted yet.")]));
};

function drawRequest(one) {
  const row = make("tr");
  row.append(make("td", "", one.operation), make("td", "number", number(one.count)), make("td", one.failures ? "number failed" : "number", number(one.failures)),
    ...["p50", "p95", "p99"].map((name) => make("td", "number", span(one[name]))));
  return row;
}

const words = { ChildStarted: "started", ChildStopped: "stopped", ChildCrashed: "crashed", ChildKilled: "was killed", RestartScheduled: "gets",
  SupervisorGaveUp: "gave up", ChildStuck: "is stuck", OperationSlow: "is slow", MessageDropped: "lost a message", CastFailed: "failed a message", ObserverFailed: "observer failed" };
const KEPT = 300;
let last = 0;

show.events = ({ events }) => {
  if (events.at(-1).number < last) {  // another process answers at this address
    last = 0;
    $("events").replaceChildren();
  }
  for (const one of events) {
    if (one.number <= last) continue;
    last = one.number;
    const item = make("li");
    const said = make("span", one.kind);
    const path = make("span", "path", one.path);
    path.addEventListener("click", () => openActor(one.path));
    said.append(path, ` ${words[one.kind] || one.kind}`);
    item.append(make("time", "", clock(one.at)), said, make("span", "quiet", ` ${one.text}`));
    if (one.traceback) {
      const story = make("details");
      story.append(make("summary", "", "traceback"), make("pre", "", one.traceback));
      item.append(story);
    }
    $("events").prepend(item);
  }
  while ($("events").children.length > KEPT) $("events").lastChild.remove();
};
