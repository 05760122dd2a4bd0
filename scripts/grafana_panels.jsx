// Draws panels of the dashboards with Grafana's own components (@grafana/ui), from a Prometheus.
// window.BOARD: {prometheus, panels, variables, from, to (seconds)}; scripts/draw_grafana.py writes it.
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import { createTheme, dateTime, EventBusSrv, FieldType, getDisplayProcessor, setTimeZoneResolver, ThemeContext, toDataFrame } from '@grafana/data';
import { GlobalStyles, PanelChrome, PanelContextProvider, Table, TimeSeries } from '@grafana/ui';

const { prometheus, panels, variables, from, to } = window.BOARD;
const STEP = 1800;
const theme = createTheme({ colors: { mode: 'light' } });
setTimeZoneResolver(() => 'utc');
const range = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
range.raw = { ...range };

async function ask(path, target, parameters) {
  const query = target.expr.replace(/\$\{?(\w+)\}?/g, (_, name) => variables[name]);
  const answer = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams({ query, ...parameters })}`);
  return (await answer.json()).data.result;
}

// The configuration of a field: the panel's defaults, then the overrides that match a query or a column.
function configuration(panel, matched) {
  const config = structuredClone(panel.fieldConfig.defaults);
  config.custom = config.custom || {};
  for (const override of (panel.fieldConfig.overrides || []).filter((one) => one.matcher.options === matched)) {
    for (const { id, value } of override.properties) {
      if (id.startsWith('custom.')) config.custom[id.slice('custom.'.length)] = value;
      else config[id] = value;
    }
  }
  delete config.links;
  return config;
}

// ``place``: of the series in its panel, which chooses the shade of its colour.
function shown(frame, place) {
  for (const field of frame.fields) {
    field.state = { seriesIndex: place };
    field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
  }
  return frame;
}

async function lines(panel) {
  const frames = [];
  for (const target of panel.targets) {
    for (const { metric, values } of await ask('query_range', target, { start: from, end: to, step: STEP })) {
      const known = new Map(values.map(([at, text]) => [at, Number(text)]));
      const times = Array.from({ length: Math.floor((to - from) / STEP) + 1 }, (_, index) => from + index * STEP);
      const name = target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] || '').trim();
      frames.push(shown(toDataFrame({
        refId: target.refId,
        fields: [
          { name: 'Time', type: FieldType.time, values: times.map((at) => at * 1000), config: {} },
          {
            name: 'Value', type: FieldType.number, labels: metric, values: times.map((at) => known.get(at) ?? null),
            config: { ...configuration(panel, target.refId), displayName: name },
          },
        ],
      }), frames.length));
    }
  }
  return frames;
}

async function rows(panel) {
  const { renameByName, indexByName } = panel.transformations.find((one) => one.id === 'organize').options;
  const byLabels = new Map();
  for (const target of panel.targets) {
    for (const { metric, value } of await ask('query', target, { time: to })) {
      const key = JSON.stringify(metric);
      byLabels.set(key, { ...metric, ...byLabels.get(key), [`Value #${target.refId}`]: Number(value[1]) });
    }
  }
  const data = [...byLabels.values()].sort((one, other) => other['Value #A'] - one['Value #A']);
  const columns = [...new Set(data.flatMap(Object.keys))].sort((one, other) => indexByName[one] - indexByName[other]);
  return shown(toDataFrame({
    fields: columns.map((column) => ({
      name: renameByName[column],
      type: column.startsWith('Value') ? FieldType.number : FieldType.string,
      values: data.map((row) => row[column] ?? null),
      config: configuration(panel, renameByName[column]),
    })),
  }), 0);
}

function Panel({ panel, data }) {
  const draw = (width, height) =>
    panel.type === 'table' ? <Table data={data} width={width} height={height} /> : (
      <TimeSeries frames={data} width={width} height={height} timeRange={range} timeZone="utc"
        legend={panel.options.legend} options={panel.options} structureRev={1} />
    );
  return <PanelChrome title={panel.title} width={panel.gridPos.w * 52} height={panel.gridPos.h * 30}>{draw}</PanelChrome>;
}

(async () => {
  const drawn = [];
  for (const panel of panels) drawn.push({ panel, data: await (panel.type === 'table' ? rows : lines)(panel) });
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <PanelContextProvider value={{ eventsScope: 'board', eventBus: new EventBusSrv() }}>
        <GlobalStyles />
        <div style={{ display: 'flex', flexWrap: 'wrap', gap: 8, padding: 8, background: theme.colors.background.canvas }}>
          {drawn.map((one) => <Panel key={one.panel.title} {...one} />)}
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
})();
