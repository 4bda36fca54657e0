// The shapes of which the chart consists, beside ECharts' own text. Their coordinates are flat typed arrays, so that
// thousands of bars are handed over at once and drawn as one path.

import { graphic } from 'echarts/core';

/** Rectangles: x, y, width, height, and so on. */
const Rects = graphic.extendShape({
  shape: { at: [] },
  buildPath(path, { at }) {
    for (let i = 0; i < at.length; i += 4) path.rect(at[i], at[i + 1], at[i + 2], at[i + 3]);
  },
});

/** Lines through x, y, x, y and so on; NaN lifts the pen. */
const Strokes = graphic.extendShape({
  shape: { at: [] },
  buildPath(path, { at }) {
    let isDown = false;
    for (let i = 0; i < at.length; i += 2) {
      if (Number.isNaN(at[i])) isDown = false;
      else if (isDown) path.lineTo(at[i], at[i + 1]);
      else {
        path.moveTo(at[i], at[i + 1]);
        isDown = true;
      }
    }
  },
});

/** One polygon through x, y, x, y and so on. */
const Area = graphic.extendShape({
  shape: { at: [] },
  buildPath(path, { at }) {
    for (let i = 0; i < at.length; i += 2) {
      if (i === 0) path.moveTo(at[0], at[1]);
      else path.lineTo(at[i], at[i + 1]);
    }
    path.closePath();
  },
});

const shapes = { rects: Rects, strokes: Strokes, area: Area, text: graphic.Text };

/** A new element of that kind, which takes no part in pointer events. */
export function element(kind) {
  return new shapes[kind]({ silent: true });
}
