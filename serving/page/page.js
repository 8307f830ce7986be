"use strict";
// Draw strokes, send the picture whenever it changes, and show the response.

const drawing = document.getElementById("drawing");
const pen = drawing.getContext("2d", { willReadFrequently: true });
const answer = document.getElementById("answer");
const bars = Object.fromEntries( // class name -> its bar
  [...document.querySelectorAll("#bars li")].map((item) => [item.firstChild.textContent, item]));
const WIDTH = 20; // of the pen, in pixels of the 280-pixel canvas
let last = null; // the last position of the pen while it is down
let keys = { x: 140, y: 140, down: false }; // the pen that the arrow keys move
let changed = 0; // counts changes, so that an old answer is not shown for a new picture
let busy = false;

clear();

function clear() {
  pen.fillStyle = "white";
  pen.fillRect(0, 0, drawing.width, drawing.height);
  change();
  show(null);
  paint("seen", null);
  paint("mattered", null);
  answer.textContent = "Nothing drawn yet.";
  document.getElementById("picked").textContent = "";
}

function change() {
  document.body.dataset.changed = ++changed;
}

function stroke(from, to) {
  pen.strokeStyle = "black";
  pen.lineWidth = WIDTH;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x + 0.01, to.y); // so that a single point is visible
  pen.stroke();
  change();
  ask();
}

function place(event) {
  const box = drawing.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * drawing.width) / box.width,
    y: ((event.clientY - box.top) * drawing.height) / box.height,
  };
}

drawing.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  drawing.setPointerCapture(event.pointerId);
  last = place(event);
  stroke(last, last);
});
drawing.addEventListener("pointermove", (event) => {
  if (!last) return;
  const parts = event.getCoalescedEvents ? event.getCoalescedEvents() : [event];
  for (const part of parts.length ? parts : [event]) {
    const next = place(part);
    stroke(last, next);
    last = next;
  }
});
for (const end of ["pointerup", "pointercancel"]) {
  drawing.addEventListener(end, () => { last = null; });
}
drawing.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
  if (event.key in moves) {
    const before = { x: keys.x, y: keys.y };
    keys.x = Math.min(270, Math.max(10, keys.x + moves[event.key][0]));
    keys.y = Math.min(270, Math.max(10, keys.y + moves[event.key][1]));
    if (keys.down) stroke(before, keys);
  } else if (event.key === " ") {
    keys.down = !keys.down;
    if (keys.down) stroke(keys, keys);
  } else if (event.key === "c" || event.key === "C") {
    clear();
  } else {
    return;
  }
  event.preventDefault();
});
document.getElementById("clear").addEventListener("click", clear);
document.getElementById("pick").addEventListener("click", pick);

async function pick() {
  // The number of test digits is unknown until the first one has arrived.
  const count = pick.count || 1;
  let digit;
  try {
    digit = await send(`digits/${Math.floor(Math.random() * count)}`);
  } catch (error) {
    answer.textContent = `No answer: ${error.message}`;
    return;
  }
  if (!pick.count) {
    pick.count = digit.count;
    return pick();
  }
  clear();
  const small = document.createElement("canvas");
  small.width = small.height = 28;
  small.getContext("2d").putImageData(pixels(digit.image, (value) => 255 - value), 0, 0);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, 0, 280, 280);
  change();
  document.getElementById("picked").textContent = `This is a test digit; its label is ${digit.label}.`;
  ask();
}

function pixels(rows, grey) {
  const image = new ImageData(28, 28);
  rows.flat().forEach((value, i) => {
    image.data.fill(grey(value), 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  });
  return image;
}

function paint(id, rows, grey = (value) => value) {
  const context = document.getElementById(id).getContext("2d");
  context.fillStyle = "black";
  context.fillRect(0, 0, 28, 28);
  if (rows) context.putImageData(pixels(rows, grey), 0, 0);
}

function show(predictions) {
  const shares = Object.fromEntries((predictions || []).map((one) => [one.label, one.probability]));
  for (const [label, item] of Object.entries(bars)) {
    const share = 100 * (shares[label] || 0);
    item.className = predictions && label === predictions[0].label ? "best" : "";
    item.querySelector(".fill").style.width = `${share}%`;
    item.querySelector("output").textContent = `${share.toFixed(1)} %`;
  }
}

async function ask() {
  if (busy) return; // the newest picture is sent after the response to the last one
  busy = true;
  let asked;
  do {
    asked = changed;
    try {
      await answerTo(asked);
    } catch (error) {
      if (asked !== changed) continue;
      answer.textContent = `No answer: ${error.message}`;
      show(null); // the shown result belongs to another picture
      paint("seen", null);
      paint("mattered", null);
    }
  } while (asked !== changed && answerable());
  busy = false;
  document.body.dataset.answered = asked;
}

async function answerTo(asked) {
  const picture = await new Promise((done) => drawing.toBlob(done, "image/png"));
  const result = await send("predict", "image/png", picture);
  if (asked !== changed) return; // the drawing has changed in the meantime
  show(result.predictions);
  const best = result.predictions[0];
  answer.textContent = `This is a ${best.label}; I am ${(100 * best.probability).toFixed(0)} % sure.`;
  paint("seen", result.image);
  const why = await send("explain", "application/json", JSON.stringify({ instances: [result.image] }));
  if (asked === changed) paint("mattered", why.importance, (value) => 255 * value);
}

async function send(path, type, body) {
  const request = body ? { method: "POST", headers: { "Content-Type": type }, body } : {};
  request.signal = AbortSignal.timeout(30_000);
  const result = await fetch(path, request).then((response) => response.json()).catch(() => {
    throw new Error("the service cannot be reached. Is serve.py still running?");
  });
  if (result.error) throw new Error(result.error);
  return result;
}

function answerable() {
  return pen.getImageData(0, 0, 280, 280).data.some((value) => value < 255);
}
