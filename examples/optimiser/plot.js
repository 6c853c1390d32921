// Draws the history of the trials as an SVG file: where they were, and how their scores fell.
import { writeFileSync } from 'node:fs';
import * as echarts from 'echarts';

const axis = (name, more) => ({ name, nameLocation: 'middle', nameGap: 30, ...more });
const range = { min: -5, max: 5, interval: 2.5, axisLine: { onZero: false } };

/** `history`: `{ trial, x, y, score }` of each, in order. */
export function drawHistory(history, file) {
  const bests = history.filter(({ score }, place) => history.slice(0, place).every((other) => other.score > score));
  // A logarithmic axis has no zero.
  const shown = (score) => Math.max(score, 1e-6);

  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 900, height: 420 });
  chart.setOption({
    animation: false,
    backgroundColor: '#fff',
    legend: { bottom: 0 },
    title: [
      { text: 'the parameters', left: 60 },
      { text: 'the score', left: 510 },
    ],
    grid: [
      { left: 60, top: 50, width: 350, height: 280 },
      { left: 510, top: 50, width: 350, height: 280 },
    ],
    xAxis: [axis('x', range), axis('trial', { gridIndex: 1, max: history.length })],
    yAxis: [
      axis('y', range),
      axis('', {
        gridIndex: 1,
        type: 'log',
        min: 1e-6,
        axisLabel: { formatter: (value) => Number(value.toPrecision(1)) },
      }),
    ],
    series: [
      { name: 'trial', type: 'scatter', symbolSize: 5, data: history.map(({ x, y }) => [x, y]) },
      { name: 'best so far', type: 'line', data: bests.map(({ x, y }) => [x, y]) },
      {
        name: 'trial',
        type: 'scatter',
        symbolSize: 5,
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: history.map(({ trial, score }) => [trial, shown(score)]),
      },
      {
        name: 'best so far',
        type: 'line',
        step: 'end',
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: bests.map(({ trial, score }) => [trial, shown(score)]),
      },
    ],
    color: ['#9aa5b1', '#c2410c', '#9aa5b1', '#c2410c'],
  });
  writeFileSync(file, chart.renderToSVGString());
  chart.dispose();
}
