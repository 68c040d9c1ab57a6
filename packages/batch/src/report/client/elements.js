/**
 * Makes an element. `on…` are listeners, `class` and all else attributes; false and undefined leave one out. Children that
 * are no nodes become text: nothing of a prompt or an answer is ever read as HTML.
 */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

/** A labelled choice of one. `options`: pairs of value and text. */
export function choice(label, options, value, onChoose) {
  const select = h(
    'select',
    { onchange: () => onChoose(select.value) },
    options.map(([each, text]) => h('option', { value: each, selected: each === value }, text)),
  );
  return h('label', { class: 'field' }, h('span', {}, label), select);
}
