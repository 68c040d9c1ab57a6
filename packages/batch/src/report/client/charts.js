import { h, svg } from './elements.js';
import { formatMs, formatShare, formatUsd, formatUsdTick } from './format.js';
import { qualities, toMeanCost } from './standing.js';

/** Narrower on a narrow screen, where text would become small otherwise. */
const size = {
  width: Math.min(520, Math.max(330, innerWidth - 60)),
  height: 310,
  left: 62,
  right: 24,
  top: 18,
  bottom: 50,
};

const measures = {
  cost: { title: 'Cost of an answer', format: formatUsd, formatTick: formatUsdTick, of: toMeanCost },
  latency: { title: 'Latency, p50', format: formatMs, of: (summary) => summary.latency_p50_ms },
};

/** Quality against cost and against latency; where nobody measured quality, latency against cost. */
export function toCharts(columns, quality) {
  const { cost, latency } = measures;
  if (quality === undefined) return [toChart(columns, cost, latency)];
  const y = { title: qualities[quality].title, format: formatShare, of: qualities[quality].of, share: true };
  return [toChart(columns, cost, y), toChart(columns, latency, y)];
}

function toChart(columns, x, y) {
  const points = columns
    .map((column) => ({ column, x: x.of(column.summary), y: y.of(column.summary) }))
    .filter((point) => point.x !== undefined && point.y !== undefined);
  const title = `${y.title} against ${x.title.toLowerCase()}`;
  const caption = h('figcaption', {}, title);
  if (points.length === 0)
    return h('figure', { class: 'card chart' }, caption, h('p', { class: 'muted' }, 'Nothing to show yet.'));
  const tip = h('output', { class: 'tip', hidden: true });
  const across = toScale(
    points.map((point) => point.x),
    [size.left, size.width - size.right],
    false,
  );
  const up = toScale(
    points.map((point) => point.y),
    [size.height - size.bottom, size.top],
    y.share === true,
  );
  const image = svg(
    'svg',
    { viewBox: `0 0 ${size.width} ${size.height}`, role: 'group', 'aria-label': title },
    toAxes(across, up, x, y),
    toLabels(points, across, up).map((label) => toPoint(label, x, y, tip)),
  );
  return h('figure', { class: 'card chart' }, caption, h('div', { class: 'plot' }, image, tip));
}

/** Round ticks; where values differ by orders of magnitude, powers of ten. */
function toScale(values, [from, to], isShare) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (!isShare && least > 0 && most / least > 40) {
    const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
    const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
    return { ticks, at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from) };
  }
  const spread = isShare ? 1 : most || 1;
  const step = toStep(spread / 4);
  const end = isShare ? 1 : Math.ceil((most || step) / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step);
  return { ticks, at: (value) => from + (value / end) * (to - from) };
}

function toStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
}

function toAxes(across, up, x, y) {
  const formatTick = x.formatTick ?? x.format;
  const [floor, middle] = [size.height - size.bottom, (size.left + size.width - size.right) / 2];
  return [
    ...up.ticks.flatMap((tick) => [
      svg('line', { class: 'grid', x1: size.left, x2: size.width - size.right, y1: up.at(tick), y2: up.at(tick) }),
      svg('text', { class: 'tick', x: size.left - 8, y: up.at(tick) + 4, 'text-anchor': 'end' }, y.format(tick)),
    ]),
    ...thinOut(across.ticks, across.at, formatTick).flatMap((tick) => [
      svg('line', { class: 'grid', x1: across.at(tick), x2: across.at(tick), y1: size.top, y2: floor }),
      svg('text', { class: 'tick', x: across.at(tick), y: floor + 18, 'text-anchor': 'middle' }, formatTick(tick)),
    ]),
    svg('text', { class: 'axis', x: middle, y: size.height - 10, 'text-anchor': 'middle' }, x.title),
    svg(
      'text',
      { class: 'axis', transform: `translate(14 ${(size.top + floor) / 2}) rotate(-90)`, 'text-anchor': 'middle' },
      y.title,
    ),
  ];
}

/**
 * Where each point and its name stand: right of it, else at its other sides, ever further away, where nothing lies yet. A
 * name that finds no room is left out; the point tells it when it is pointed at.
 */
function toLabels(points, across, up) {
  const spots = points.map((point) => ({ ...point, left: across.at(point.x), top: up.at(point.y) }));
  const taken = spots.map(({ left, top }) => toBox(left - 7, top - 7, 14, 14));
  // Down to the texts of the ticks.
  const field = toBox(size.left, 4, size.width - size.left, size.height - size.bottom + 4);
  for (const spot of spots.toSorted((a, b) => a.top - b.top || a.left - b.left)) {
    const name = spot.column.label.replace(/^[^/]*\//, '');
    const text = name.length > 26 ? `${name.slice(0, 25)}…` : name;
    const width = measureText(text);
    const toPlace = ([dx, dy]) => ({ start: spot.left + dx, line: spot.top + 4 + dy });
    const boxOf = ({ start, line }) => toBox(start - 1, line - lineHeight + 3, width + 2, lineHeight);
    const found = toOffsets(width)
      .map(toPlace)
      .find((place) => isWithin(boxOf(place), field) && !taken.some((box) => doOverlap(box, boxOf(place))));
    if (found === undefined) continue;
    taken.push(boxOf(found));
    spot.label = { text, middle: found.start + width / 2, isAside: found.line !== spot.top + 4, ...found };
  }
  return spots;
}

const lineHeight = 14;
const furthest = 5;

/** Of the start of its text from a point, the nearest first. */
function toOffsets(width) {
  const [right, left, middle] = [11, -11 - width, -width / 2];
  const beside = [right, left].map((dx) => [dx, 0]);
  const around = Array.from({ length: furthest }, (_, index) => (index + 1) * lineHeight).flatMap((far) =>
    [far, -far].flatMap((dy) => [right, left, middle].map((dx) => [dx, dy])),
  );
  return [...beside, ...around];
}

const toBox = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });
const doOverlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const isWithin = (a, b) => a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;

let canvas;

/** In the units of the drawing, as wide as the browser sets it. */
function measureText(text, fontSize = 12) {
  canvas ??= document.createElement('canvas').getContext('2d');
  canvas.font = `${fontSize}px ${getComputedStyle(document.body).fontFamily}`;
  return canvas.measureText(text).width;
}

/** So many of them that their texts stand apart, the first and evenly. */
function thinOut(ticks, at, format) {
  const widest = Math.max(...ticks.map((tick) => measureText(format(tick), 11)));
  const apart = ticks.length < 2 ? Infinity : Math.abs(at(ticks[1]) - at(ticks[0]));
  const every = Math.ceil((widest + 10) / apart);
  return ticks.filter((_, index) => index % every === 0);
}

function toPoint({ column, left, top, label, ...point }, x, y, tip) {
  const says = `${column.label}: ${y.title.toLowerCase()} ${y.format(point.y)}, ${x.title.toLowerCase()} ${x.format(point.x)}`;
  const show = () => {
    tip.value = says;
    tip.hidden = false;
    tip.style.left = `${(left / size.width) * 100}%`;
    tip.style.top = `${(top / size.height) * 100}%`;
  };
  const hide = () => (tip.hidden = true);
  return svg(
    'g',
    {
      class: `point ${column.colour}`,
      tabindex: 0,
      role: 'img',
      'aria-label': says,
      onmouseenter: show,
      onmouseleave: hide,
      onfocus: show,
      onblur: hide,
    },
    svg('circle', { class: 'halo', cx: left, cy: top, r: 14 }),
    // Which name is whose, where it could not stand beside its point.
    label?.isAside &&
      svg('line', {
        class: 'leader',
        x1: left,
        y1: top,
        x2: label.middle,
        y2: label.line + (label.line < top ? 3 : -10),
      }),
    svg('circle', { class: 'dot', cx: left, cy: top, r: 6 }),
    label && svg('text', { x: label.start, y: label.line }, label.text),
  );
}
