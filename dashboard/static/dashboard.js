// @ts-check
// The live part of the dashboard. The server makes all texts and rows: this only puts
// them in their places, always as text, never as HTML. Without it the page is the same,
// but stands still.

/** @typedef {{t: string, v?: number}} Cell */
/** @typedef {{k: string, a?: string, c: Cell[]}} Row */
/** @typedef {{k: string, x: number, y: number, d: string, s: number, n: string, t: string}} Dot */
/** @typedef {{mood: string, texts: Record<string, string>, rows: Record<string, Row[]>, map?: {hidden: boolean, dots: Dot[]}}} State */
/** @typedef {{seq: number, time: string, level: string, sub: string, kind: string, text: string}} Line */

const maxEvents = 500;
const levels = ["debug", "info", "warn", "error"];

/** @param {string} selector @returns {any} */
const find = (selector) => document.querySelector(selector);

/** @param {Element} element @param {string} text */
function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

// ---- state and tables

/** @param {State} state */
function showState(state) {
	for (const place of document.querySelectorAll("[data-text]")) {
		setText(place, state.texts[/** @type {HTMLElement} */ (place).dataset.text ?? ""] ?? "");
	}
	find("#state").dataset.mood = state.mood;
	document.title = `${state.texts.headline} – holdfast ${document.body.dataset.network}`;
	for (const [name, rows] of Object.entries(state.rows)) showRows(name, rows ?? []);
	if (state.map) showMap(state.map);
}

/** Draws the dots as the server did: each is made of the same template. @param {{hidden: boolean, dots: Dot[]}} map */
function showMap(map) {
	const place = find("#dots");
	if (!place) return;
	find("#map").toggleAttribute("hidden", map.hidden);
	/** @type {Map<string, any>} */
	const old = new Map();
	for (const g of place.children) old.set(g.dataset.key, g);
	const list = map.dots.map((dot) => {
		const g = old.get(dot.k) ?? find("template[data-dot]").content.querySelector("g").cloneNode(true);
		old.delete(dot.k);
		g.dataset.key = dot.k;
		g.setAttribute("class", `dot ${dot.d}`);
		g.setAttribute("transform", `translate(${dot.x} ${dot.y})`);
		const use = g.querySelector("use");
		use.setAttribute("href", `#mark-${dot.d}`);
		use.setAttribute("transform", `scale(${dot.s})`);
		setText(g.querySelector("title"), dot.t);
		setText(g.querySelector("text"), dot.n);
		return g;
	});
	for (const g of old.values()) g.remove();
	order(place, list);
}

/** What each row of the peers is sorted by. @type {Map<string, Cell[]>} */
const peerCells = new Map();

/** @param {string} name @param {Row[]} rows */
function showRows(name, rows) {
	const table = find(`#${name}`);
	if (!table) return;
	const body = table.tBodies[0];
	/** @type {Map<string, HTMLTableRowElement>} */
	const old = new Map();
	for (const tr of body.rows) old.set(tr.dataset.key, tr);
	if (name === "peers") {
		peerCells.clear();
		for (const row of rows) peerCells.set(row.k, row.c);
	}
	const heads = table.tHead.rows[0].cells;
	const began = body.dataset.filled === "yes";
	const list = rows.map((row) => {
		const tr = old.get(row.k) ?? newRow(name, row, heads, began);
		old.delete(row.k);
		row.c.forEach((cell, i) => setText(tr.cells[i], cell.t));
		return tr;
	});
	for (const tr of old.values()) tr.remove();
	body.dataset.filled = "yes";
	const busy = table.matches(":hover") || table.contains(document.activeElement);
	if (busy) {
		for (const tr of list) if (!tr.isConnected) body.append(tr); // nothing moves under a finger
	} else {
		order(body, name === "peers" ? sorted(list, table.dataset.sort, table.dataset.dir) : list);
	}
	find(`[data-empty="${name}"]`).hidden = rows.length > 0;
}

/** @param {string} name @param {Row} row @param {HTMLCollectionOf<HTMLTableCellElement>} heads @param {boolean} shine */
function newRow(name, row, heads, shine) {
	const tr = document.createElement("tr");
	tr.dataset.key = row.k;
	const orders = find(`template[data-orders="${name}"]`);
	row.c.forEach((cell, i) => {
		const named = i === 0 && (name === "peers" || name === "bans");
		const td = document.createElement(named ? "th" : "td");
		if (named) td.setAttribute("scope", "row");
		td.dataset.label = heads[i].textContent ?? "";
		td.className = heads[i].className;
		td.textContent = cell.t;
		tr.append(td);
	});
	if (orders) {
		const td = document.createElement("td");
		td.className = "orders";
		td.append(orders.content.cloneNode(true));
		const fill = (/** @type {string} */ field, /** @type {string} */ value) => {
			const input = /** @type {HTMLInputElement|null} */ (td.querySelector(`input[name="${field}"]`));
			if (input) input.value = value;
		};
		fill("id", row.k);
		fill("subject", name === "peers" ? row.a ?? "" : row.k);
		for (const button of td.querySelectorAll("button")) {
			button.setAttribute("aria-label", `${button.textContent} ${row.c[0].t}`);
			if (button.classList.contains("danger")) button.disabled = !row.a;
		}
		tr.append(td);
	}
	if (shine) {
		tr.classList.add("new");
		setTimeout(() => tr.classList.remove("new"), 1500);
	}
	return tr;
}

/** Puts rows in this order, and moves no more than it must. @param {Element} body @param {Element[]} list */
function order(body, list) {
	list.forEach((tr, i) => {
		if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null);
	});
}

/** @param {HTMLTableRowElement[]} list @param {string} key @param {string} direction */
function sorted(list, key, direction) {
	const heads = [...find("#peers").tHead.rows[0].cells];
	const i = heads.findIndex((th) => key && th.querySelector("a")?.dataset.sort === key);
	if (i < 0) return list;
	const sign = direction === "down" ? -1 : 1;
	return list.toSorted((a, b) => {
		const x = peerCells.get(a.dataset.key ?? "")?.[i];
		const y = peerCells.get(b.dataset.key ?? "")?.[i];
		if (!x || !y) return 0;
		if (x.v !== undefined && y.v !== undefined) return sign * (x.v - y.v);
		return sign * x.t.toLowerCase().localeCompare(y.t.toLowerCase());
	});
}

for (const link of document.querySelectorAll("#peers thead a")) {
	link.addEventListener("click", (event) => {
		const table = find("#peers");
		const key = /** @type {HTMLElement} */ (link).dataset.sort;
		if (peerCells.size === 0 && table.tBodies[0].rows.length > 0) return; // not live: let the server sort
		event.preventDefault();
		const down = table.dataset.sort === key && table.dataset.dir !== "down";
		table.dataset.sort = key;
		table.dataset.dir = down ? "down" : "up";
		for (const th of table.tHead.rows[0].cells) th.removeAttribute("aria-sort");
		link.closest("th")?.setAttribute("aria-sort", down ? "descending" : "ascending");
		order(table.tBodies[0], sorted([...table.tBodies[0].rows], table.dataset.sort, table.dataset.dir));
	});
}

// ---- events

/** @type {Line[]} */
let lines = []; // newest last
let newest = 0; // the last Seq
const filter = find("#filter");
const paused = find("#pause");
const eventBody = find("#events").tBodies[0];

/** @param {Line} line */
function wanted(line) {
	const text = filter.elements.has.value.toLowerCase();
	return levels.indexOf(line.level) >= levels.indexOf(filter.elements.level.value) &&
		(filter.elements.sub.value === "" || line.sub === filter.elements.sub.value) &&
		(text === "" || line.text.toLowerCase().includes(text));
}

/** @param {Line} line */
function eventRow(line) {
	const tr = document.createElement("tr");
	tr.dataset.seq = String(line.seq);
	tr.dataset.level = line.level;
	tr.dataset.sub = line.sub;
	for (const text of [line.time, line.level, line.sub, line.text]) {
		const td = document.createElement("td");
		td.textContent = text;
		tr.append(td);
	}
	return tr;
}

/** @param {{lost?: number, events: Line[]}} batch */
function showEvents(batch) {
	const fresh = batch.events.filter((line) => line.seq > newest);
	if (batch.lost) noteLost(batch.lost);
	if (fresh.length === 0) return;
	newest = fresh[fresh.length - 1].seq;
	lines = lines.concat(fresh).slice(-4 * maxEvents);
	if (!paused.checked) prepend(fresh);
}

/** @param {Line[]} fresh oldest first */
function prepend(fresh) {
	const rows = fresh.filter(wanted).slice(-maxEvents).map(eventRow).reverse();
	if (rows.length === 0) return;
	eventBody.prepend(...rows);
	while (eventBody.rows.length > maxEvents) eventBody.rows[eventBody.rows.length - 1].remove();
}

let lostEvents = 0;
/** @param {number} n */
function noteLost(n) {
	lostEvents += n;
	setText(find("#lost"), `${lostEvents} events came too fast to be shown here; the log has them.`);
}

function refilter() {
	eventBody.replaceChildren();
	prepend(lines);
}

filter.addEventListener("input", refilter);
filter.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
find("[data-noscript]").hidden = true;
for (const label of document.querySelectorAll(".script")) /** @type {HTMLElement} */ (label).hidden = false;

// ---- orders

document.addEventListener("submit", async (event) => {
	const form = /** @type {HTMLFormElement} */ (event.target);
	if (form.method !== "post") return;
	event.preventDefault();
	const button = /** @type {HTMLButtonElement|null} */ (event.submitter);
	const url = button?.getAttribute("formaction") ?? form.getAttribute("action") ?? "";
	const said = find("#said");
	if (button) button.disabled = true;
	try {
		const body = new URLSearchParams(/** @type {any} */ (new FormData(form)));
		const answer = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
		const text = answer.headers.get("Content-Type")?.startsWith("application/json")
			? (await answer.json()).said : await answer.text();
		tell(text, !answer.ok);
		if (answer.ok && !form.closest("table")) form.reset();
	} catch {
		tell("Not done: the node does not answer.", true);
	} finally {
		if (button) button.disabled = false;
	}

	/** @param {string} text @param {boolean} wrong */
	function tell(text, wrong) {
		said.toggleAttribute("data-wrong", wrong);
		said.textContent = text;
		clearTimeout(Number(said.dataset.timer));
		if (!wrong) said.dataset.timer = String(setTimeout(() => (said.textContent = ""), 8000));
	}
});

// ---- charts

/** @type {any[]} */
let charts = [];
const size = (/** @type {HTMLElement} */ place) => ({ width: Math.max(place.clientWidth, 200), height: 190 });
const colour = (/** @type {string} */ name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** @param {number} n bytes a second */
function rate(n) {
	if (n === null || n === undefined) return "";
	const units = ["B/s", "kB/s", "MB/s", "GB/s"];
	let i = 0;
	while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
	return `${n >= 10 || Number.isInteger(n) ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** @param {string} place @param {string} title @param {number} span seconds @param {any[]} data @param {[string, string, boolean?][]} series @param {(n: number) => string} show */
function draw(place, title, span, data, series, show) {
	const element = find(place);
	const now = data[0].at(-1) ?? Date.now() / 1000;
	element.replaceChildren();
	const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
	// @ts-ignore: uPlot is loaded by the page
	charts.push(new uPlot({
		...size(element), title,
		cursor: { y: false },
		scales: { x: { range: [Math.max(now - span, Math.min(data[0][0] ?? now, now - 600)), now] }, y: { range: (/** @type {any} */ _u, /** @type {number} */ _low, /** @type {number} */ high) => [0, Math.max(1, high * 1.1)] } },
		axes: [{ ...axis, values: clock }, { ...axis, size: 64, values: (/** @type {any} */ _u, /** @type {number[]} */ list) => list.map((n) => show(n)) }],
		series: [
			{ value: "{HH}:{mm}:{ss}" },
			...series.map(([label, name, dashed]) => ({
				label, stroke: colour(name), width: 2, dash: dashed ? [6, 4] : undefined, points: { show: data[0].length < 2 },
				value: (/** @type {any} */ _u, /** @type {number} */ n) => (n === null ? "–" : show(n)),
			})),
		],
	}, data, element));
}

/** @param {any} _u @param {number[]} list */
const clock = (_u, list) => list.map((t) => new Date(t * 1000).toTimeString().slice(0, 5));

async function loadCharts() {
	// @ts-ignore
	if (typeof uPlot === "undefined" || document.hidden) return;
	const span = find("input[name=span]:checked").value;
	let h;
	try {
		const answer = await fetch(`/history?span=${span}`);
		if (!answer.ok) return;
		h = await answer.json();
	} catch {
		return; // the stream says that the node is away
	}
	for (const chart of charts) chart.destroy();
	charts = [];
	const count = (/** @type {number} */ n) => (Number.isInteger(n) ? String(n) : "");
	const seconds = span === "day" ? 86400 : 3600;
	const fixed = h.fixed.some((/** @type {number} */ n) => n > 0);
	draw("#chart-peers", "Peers", seconds, [h.t, h.target, h.outbound, h.inbound, ...(fixed ? [h.fixed] : [])],
		[["Wanted", "--c4", true], ["Outbound", "--c1"], ["Inbound", "--c2"], ...(fixed ? [/** @type {[string, string]} */ (["Fixed", "--c3"])] : [])], count);
	draw("#chart-traffic", "Traffic", seconds, [h.t, h.in, h.out], [["Received", "--c1"], ["Sent", "--c2"]], rate);
}

find("#charts fieldset").hidden = false;
find("#charts fieldset").addEventListener("change", loadCharts);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", loadCharts);
document.addEventListener("visibilitychange", loadCharts);
addEventListener("resize", () => {
	for (const chart of charts) chart.setSize(size(chart.root.parentElement));
});
setInterval(loadCharts, 10000);
loadCharts();

// ---- the stream

/** @param {boolean} on */
function live(on) {
	const place = find("#live");
	place.dataset.on = on ? "yes" : "no";
	setText(place, on ? "Live" : "Not live: the node does not answer, or too many pages are open. Trying again.");
}

function follow() {
	// From 0 on: the list is filled anew, since the page has only what its filter let pass.
	const stream = new EventSource(`/events?since=${newest}`);
	/** @param {string} kind @param {(data: any) => void} show */
	const on = (kind, show) => stream.addEventListener(kind, (event) => show(JSON.parse(event.data)));
	on("hello", (run) => {
		if (run !== document.body.dataset.run) location.reload(); // the node was started anew
		live(true);
	});
	on("state", showState);
	on("gap", () => noteLost(1));
	on("events", (batch) => {
		if (lines.length === 0) eventBody.replaceChildren();
		showEvents(batch);
	});
	stream.onerror = () => {
		live(false);
		if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 5000); // it was refused
	};
}
follow();
