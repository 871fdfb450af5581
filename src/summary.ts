/** What a network is made of, as data and as a table for readers. */
import { formatShape } from './errors.js';
import { type Shape, sizeOf } from './shape.js';

/** The part of a stage that is counted; network.ts says what the numbers are. */
interface Counted {
  readonly shape: Shape;
  readonly products?: number;
  readonly extra?: number;
  readonly parts?: readonly CountedPart[];
}

interface CountedPart {
  readonly name: string;
  readonly stage: Counted;
  readonly parameters: readonly { readonly name: string; readonly value: { readonly size: number } }[];
}

export interface LayerSummary {
  name: string;
  /** 0 for the network's own layers, 1 for those inside one of these, … */
  depth: number;
  /** Of one example behind the layer. */
  shape: number[];
  /** Names of its parameters, unless it is made of layers which follow; and the elements of all of them. */
  params: string[];
  parameters: number;
  /** Floating-point operations of the products in one example's forward pass. */
  flops: number;
}

export interface Summary {
  input: number[];
  layers: LayerSummary[];
  /** Elements of all parameters. */
  parameters: number;
  /** Floating-point operations of the products in one example's forward pass. */
  flops: number;
  /** Bytes: of the parameters, and of what training keeps of one example between its forward and backward pass. */
  memory: { parameters: number; example: number };
}

export function summarise(root: Counted, input: Shape, itemBytes: number): Summary {
  const layers: LayerSummary[] = [];
  const walk = (parts: readonly CountedPart[], depth: number) => {
    for (const { name, stage, parameters } of parts) {
      layers.push({
        name,
        depth,
        shape: [...stage.shape],
        params: stage.parts ? [] : parameters.map((p) => p.name),
        parameters: parameters.reduce((sum, { value }) => sum + value.size, 0),
        flops: 2 * (stage.products ?? 0),
      });
      walk(stage.parts ?? [], depth + 1);
    }
  };
  walk(root.parts ?? [], 0);
  const parameters = layers.reduce((sum, layer) => sum + (layer.depth === 0 ? layer.parameters : 0), 0);
  const example = (root.extra ?? 0) + sizeOf(input) + sizeOf(root.shape);
  const memory = { parameters: itemBytes * parameters, example: itemBytes * example };
  return { input: [...input], layers, parameters, flops: 2 * (root.products ?? 0), memory };
}

export function summaryText({ input, layers, parameters, flops, memory }: Summary): string {
  const rows = [
    ['layer', 'output', 'parameters', '', 'flops'],
    ['input', formatShape(input), '', '', ''],
    ...layers.map((l) => [
      `${'  '.repeat(l.depth)}${l.name}`,
      formatShape(l.shape),
      l.parameters === 0 ? '' : grouped(l.parameters),
      l.params.join(' '),
      l.flops === 0 ? '' : inColumn(l.flops),
    ]),
    ['total', '', grouped(parameters), '', inColumn(flops)],
  ];
  const right = [false, false, true, false, true];
  const widths = right.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        right[column] ? cell.padStart(widths[column] as number) : cell.padEnd(widths[column] as number),
      )
      .join('  ')
      .trimEnd(),
  );
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)));
  lines.splice(1, 0, rule);
  lines.splice(-1, 0, rule);
  const bytes = `memory: ${short(memory.parameters)}B of parameters, ${short(memory.example)}B for each example of a training batch`;
  return [...lines, bytes].join('\n');
}

/** 1234567 as 1,234,567, in every locale. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** As short, with room for a unit where there is none. */
function inColumn(count: number): string {
  return short(count).replace(/ $/, '  ');
}

/** Three digits and a unit: 1.23 M. */
function short(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${['', 'k', 'M', 'G', 'T'][unit]}`;
}
