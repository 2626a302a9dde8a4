// What is drawn anew changes only where it differs from what stands there: elements stay, and with them focus and layout.
const DRAWN = new WeakMap();
const redraw = (place, html) => {
  if (DRAWN.get(place) === html) return;
  DRAWN.set(place, html);
  if (!place.firstChild || !html) { place.innerHTML = html; return; }
  const made = document.createElement("template");
  made.innerHTML = html;
  liken(place, made.content);
};
// Make the parts of one element those of another one.
const liken = (old, made) => {
  let here = old.firstChild, there = made.firstChild;
  while (there) {
    const next = there.nextSibling, after = here?.nextSibling;
    if (!here) old.appendChild(there);
    else if (here.nodeName !== there.nodeName) old.replaceChild(there, here);
    else if (here.nodeType === Node.TEXT_NODE) { if (here.data !== there.data) here.data = there.data; }
    else {
      for (const { name, value } of there.attributes) if (here.getAttribute(name) !== value) here.setAttribute(name, value);
      if (here.attributes.length !== there.attributes.length) for (const { name } of [...here.attributes]) if (!there.hasAttribute(name)) here.removeAttribute(name);
      liken(here, there);
    }
    [here, there] = [after, next];
  }
  while (here) { const after = here.nextSibling; here.remove(); here = after; }
};
const retext = (place, text) => { if (place.textContent !== text) place.textContent = text; };
