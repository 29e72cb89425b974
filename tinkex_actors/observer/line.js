// The line to the process: hears the stream and hands each part to what shows it. Everything shown is set as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const make = (tag, kind, text) => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
};
const number = (value, digits = 0) => value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });
const many = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
const figure = (value) => value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString();
const span = (seconds) => seconds === null || seconds === undefined ? "–"
  : seconds < 0.9995 ? `${(seconds * 1000).toPrecision(3)} ms` : seconds < 120 ? `${seconds.toPrecision(3)} s` : `${Math.round(seconds / 60)} min`;
const clock = (at) => new Date(at * 1000).toLocaleTimeString("en-GB");

const token = (() => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);  // not for the history, nor for who looks over a shoulder
  }
  return given || sessionStorage.getItem("token") || "";
})();
const headers = token ? { Authorization: `Bearer ${token}` } : {};

// What shows each part, by the part's name; the other files fill it.
const show = {};
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
