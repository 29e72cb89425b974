// One actor, looked at once a second while it is open, and the orders it may be given.
"use strict";

let looking = null;

function openActor(path) {
  $("actor-title").textContent = path;
  $("actor-said").textContent = "";
  $("actor-body").replaceChildren();
  $("actor-facts").textContent = "";
  if (!$("actor").open) $("actor").show();
  clearInterval(looking);
  for (const button of $("actor-orders").children) ask(button, false);
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

const alike = (stacks) => [...new Set(stacks)].map((stack) => {
  const count = stacks.filter((one) => one === stack).length;
  return count > 1 ? `${count} tasks:\n${stack}` : stack;
}).join("\n\n");

function drawActor(found) {
  const facts = [found.status, `life ${found.life}`, many(found.restarts, "restart"), `${found.queued} queued`];
  if (found.dropped) facts.push(`${found.dropped} dropped`);
  if (found.operation) facts.push(`${found.operation} for ${span(found.age)}`);
  $("actor-facts").textContent = facts.join(" · ");
  $("actor-facts").className = found.status;
  for (const button of $("actor-orders").children) button.disabled = !allows[button.dataset.action](found.status);
  const parts = [];
  const part = (title, text) => { if (text) parts.push(make("h3", "", title), make("pre", "", text)); };
  part("Last exit", found.traceback || found.exit);
  part("Where its tasks are", alike(found.stacks.map((stack) => stack.join("\n"))));
  part("Trace", found.trace.map((one) => `${clock(one.at)}  ${one.operation}  ${one.seconds === null ? "began" : one.error ? `raised ${one.error}` : `ended after ${span(one.seconds)}`}`).join("\n") || "operations appear here while this is open");
  $("actor-body").replaceChildren(...parts);
}

$("actor").addEventListener("close", () => {
  clearInterval(looking);
  const row = rows.get($("actor-title").textContent);
  if (row?.isConnected) row.focus();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && $("actor").open) $("actor").close(); });

const allows = {
  pause: (status) => status === "running",
  resume: (status) => status === "suspended",
  restart: () => true,
  stop: (status) => status !== "down",
};

const ask = (button, isAsking) => {
  button.textContent = isAsking ? `${button.dataset.action}, really?` : button.dataset.action;
  button.classList.toggle("sure", isAsking);
};

for (const action of Object.keys(allows)) {
  const button = make("button", "", action);
  button.type = "button";
  button.dataset.action = action;
  button.addEventListener("click", async () => {
    if ((action === "restart" || action === "stop") && !button.classList.contains("sure")) {
      ask(button, true);
      setTimeout(() => ask(button, false), 4000);
      return;
    }
    ask(button, false);
    const path = $("actor-title").textContent;
    const order = { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ path, action }) };
    const answer = await fetch("api/control", order).catch((error) => ({ json: () => ({ detail: error.message }) }));
    const found = await answer.json();
    if ($("actor-title").textContent === path) $("actor-said").textContent = found.done || found.detail;
  });
  $("actor-orders").append(button);
}

connect();
