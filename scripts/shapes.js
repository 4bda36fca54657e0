// The shapes of which the chart consists, beside ECharts' own text, and the layers that show them. A frame comes in flat
// typed arrays, so that it crosses from WASM at once, and thousands of bars are drawn as one element.

import { graphic } from 'echarts/core';

/** Upright rectangles: x, y, width, height, and so on. Filled one by one: many in one path take a browser far longer. */
const Rects = graphic.extendShape({
  shape: { at: [] },
  buildPath(path, { at }) {
    const context = path.getContext();
    for (let i = 0; i < at.length; i += 4) context.fillRect(at[i], at[i + 1], at[i + 2], at[i + 3]);
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

const SHAPES = [Rects, Strokes, Area];
/** Texts lie over all shapes. */
const TEXTS = 1_000;
/** How many numbers tell of a mark: shape, colour, width, dash, and where its coordinates end. */
const MARK = 5;
/** How many numbers tell of a label: x, y, alignment, colour, colour of its box or -1, and whether it is bold. */
const LABEL = 6;
/** How far apart the lines of a text of several are. */
const LINE_HEIGHT = 16;

/** A layer of the canvas: elements are made once, and then changed in place. Each layer is drawn anew by itself. */
export class Layer {
  constructor(canvas, number) {
    this.canvas = canvas;
    this.number = number;
    this.shapes = SHAPES.map(() => []);
    this.texts = [];
  }

  /** Which shapes it knows, by the number of each. */
  static knows(count) {
    return count <= SHAPES.length;
  }

  /**
   * Shows a scene in place of the former one. Colours are numbers of `palette`, whose last two entries are the
   * fonts: the usual one and the bold one.
   */
  paint(marks, at, labels, texts, palette) {
    const used = SHAPES.map(() => 0);
    for (let i = 0, start = 0; i < marks.length; i += MARK) {
      const [shape, colour, width, dash, end] = marks.subarray(i, i + MARK);
      const element = this.taken(this.shapes[shape], used[shape]++, SHAPES[shape]);
      const isLine = width > 0;
      element.attr({
        ignore: false,
        z: i / MARK,
        shape: { at: at.subarray(start, end) },
        style: {
          fill: isLine ? 'none' : palette[colour],
          stroke: isLine ? palette[colour] : null,
          lineWidth: width,
          lineDash: dash > 0 ? [dash, dash] : null,
        },
      });
      start = end;
    }
    this.write(labels, texts, palette);
    this.shapes.forEach((pool, shape) => hideAfter(pool, used[shape]));
    hideAfter(this.texts, texts.length);
  }

  /** Most texts stay and move: what they look like is worked out anew only where it differs. */
  write(labels, texts, palette) {
    texts.forEach((text, i) => {
      const [x, y, align, colour, ground, weight] = labels.subarray(i * LABEL, (i + 1) * LABEL);
      const element = this.taken(this.texts, i, graphic.Text);
      const look = [text, align, palette[colour], palette[ground], weight].join('\n');
      if (element.look !== look) {
        const isBoxed = ground >= 0;
        element.look = look;
        element.attr({
          z: TEXTS + (isBoxed ? 1 : 0),
          style: {
            text,
            fill: palette[colour],
            align: align === 0 ? 'left' : 'center',
            verticalAlign: 'middle',
            lineHeight: text.includes('\n') ? LINE_HEIGHT : null,
            font: palette[palette.length - 2 + weight],
            backgroundColor: isBoxed ? palette[ground] : null,
            padding: isBoxed ? [4, 6] : 0,
            borderRadius: 3,
          },
        });
      }
      if (element.ignore || element.x !== x || element.y !== y) element.attr({ ignore: false, x, y });
    });
  }

  taken(pool, place, Kind) {
    if (pool.length <= place) {
      const made = new Kind({ silent: true, zlevel: this.number });
      this.canvas.add(made);
      pool.push(made);
    }
    return pool[place];
  }
}

function hideAfter(pool, used) {
  for (let i = used; i < pool.length; i += 1) {
    if (!pool[i].ignore) pool[i].attr({ ignore: true });
  }
}
