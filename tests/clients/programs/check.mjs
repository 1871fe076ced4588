// What the Node programs share; the same checks as check.py, the same lines.
import {readSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

export const COUNT = Array.from({length: 20}, (_, i) => i + 1).join(', ') + '.';
const QUESTION = 'Count from 1 to 20.';
const WEATHER = 'What is the weather in Paris?';
export const PARAMETERS = {type: 'object', properties: {city: {type: 'string'}}, required: ['city'], additionalProperties: false};
export const TOOL = {type: 'function', function: {name: 'get_weather', description: 'weather of a city', parameters: PARAMETERS}};
export const SCHEMA = {type: 'object', properties: {n: {type: 'integer'}}, required: ['n'], additionalProperties: false};
const BROKEN = ['eof', 'fin', 'rst', 'half', 'rubbish', 'error', 'bad_lines'];

export const target = JSON.parse(process.argv[2]);
const plan = (wish) => JSON.stringify(wish);
const but = (t, other) => ({...t, ...other});

function assert(value, text) {
  if (!value) throw new Error(text);
}

function equal(got, wanted) {
  const [a, b] = [got, wanted].map((v) => JSON.stringify(v));
  assert(a === b, `${a} instead of ${b}`);
}

/** The status that an error tells, or one below it. */
function statusOf(error) {
  for (let e = error, n = 0; e && n < 5; e = e.cause ?? e.lastError, n++)
    for (const name of ['status', 'statusCode', 'status_code']) if (Number.isInteger(e[name])) return e[name];
}

async function gather(parts) {
  const list = [];
  for await (const part of parts) list.push(part);
  return list;
}

async function refused(wanted, call) {
  let got;
  try {
    got = await call();
  } catch (e) {
    assert([wanted].flat().includes(statusOf(e)), `${statusOf(e)}: ${e.name}: ${e.message}`);
    assert(e.message.trim(), 'an error without a text');
    return e.message;
  }
  throw new Error(`no error but ${JSON.stringify(got)?.slice(0, 80)}`);
}

const numbers = (text) => text.trim().split(/\s+/).map((t) => parseInt(t));

const said = (e) => (e instanceof Error ? `${e.name}: ${e.message}` : JSON.stringify(e));

let whole = false;

/** An answer that breaks off must never look like a whole one; one that does not must. */
async function broken(c, how) {
  if (!whole) equal(numbers((await gather(c.stream(plan({tokens: 5})))).join('')), [0, 1, 2, 3, 4]);
  whole = true;
  const begin = Date.now();
  let text;
  try {
    text = (await gather(c.stream(plan({tokens: 10, at: 5, do: how, gap: 0.01})))).join('');
  } catch (e) {
    assert(Date.now() - begin < 8000, 'late');
    return said(e);
  }
  throw new Error(`taken for whole: ${text.slice(0, 40)}`);
}

/** Seconds of CLOCK_MONOTONIC, which the backend notes too. */
const now = () => Number(process.hrtime.bigint()) / 1e9;

const checks = {
  chat: async (t, make) => equal(await make(t).chat(QUESTION), COUNT),
  stream: async (t, make) => {
    const parts = await gather(make(t).stream(QUESTION));
    equal(parts.join(''), COUNT);
    assert(parts.length >= 20, `in ${parts.length} parts`);
  },
  usage: async (t, make) => {
    const [prompt, answer] = await make(t).usage(QUESTION);
    assert(prompt > 5 && answer > 40, `${prompt} ${answer}`);
  },
  tools: async (t, make) => {
    const [name, args, answer] = await make(t).tools(WEATHER);
    equal([name, args], ['get_weather', {city: 'Paris'}]);
    assert(answer.trim(), 'no answer after the result of the tool');
  },
  tools_stream: async (t, make) => equal(await make(t).tools_stream(WEATHER), ['get_weather', {city: 'Paris'}]),
  structured: async (t, make) => {
    const n = await make(t).structured('What is 4 plus 5?');
    assert(Number.isInteger(n), n);
  },
  embeddings: async (t, make) => {
    const vectors = await make(but(t, {url: t.embed_url, model: t.embed})).embeddings(['Hello', 'green door seven wolf']);
    equal(vectors.map((v) => v.length), [128, 128]);
    assert(vectors[0].some(Boolean) && vectors[0].some((x, i) => x !== vectors[1][i]), 'no numbers');
  },
  models: async (t, make) => {
    const names = await make(t).models();
    assert(names.includes(t.model), names);
  },
  completions: async (t, make) => assert((await make(t).completions('Hello')).trim(), 'nothing'),
  responses: async (t, make) => equal(await make(t).responses(QUESTION), COUNT),
  responses_stream: async (t, make) => equal(await make(t).responses_stream(QUESTION), COUNT),
  e400: (t, make) => refused(400, () => make(t).bad()),
  e401: (t, make) => refused(401, () => make(t, {key: 'wrong-key'}).chat('x')),
  e403: (t, make) => refused(403, () => make(t, {key: 'forbidden-key'}).chat('x')),
  e404: async (t, make) => assert((await refused(404, () => make(but(t, {model: 'nobody'})).chat('x'))).includes('nobody'), 'which model?'),
  e405: (t, make) => refused(405, () => make(t).method()),
  e413: (t, make) => refused(413, () => make(t).chat('x'.repeat(3_000_000))),

  // the backend that fails on demand
  reasoning: async (t, make) => equal(await make(t).reasoning(plan({think: 3, tokens: 2})), 'thought0 thought1 thought2 '),
  e429: (t, make) => refused([429, 503], () => make(t).chat(plan({status: 429, retry_after: 1, answer: '{"error": {"message": "too many", "type": "rate"}}'}))),
  e503: (t, make) => refused(503, () => make(t).chat(plan({status: 503, retry_after: 1, answer: '{"error": {"message": "too busy", "type": "busy"}}'}))),
  abort: async (t, make) => {
    await make(t).abort(plan({tokens: 2000, gap: 0.01, label: t.label}));
    const at = now();
    await sleep(1200);
    return at;
  },
  retry: async (t, make) => {
    console.log(JSON.stringify({busy: true}));
    readSync(0, Buffer.alloc(10));
    equal(numbers(await make(but(t, {url: t.full}), {patient: true}).chat(plan({tokens: 3, label: t.label}))), [0, 1, 2]);
  },
};
for (const how of BROKEN) checks['broken_' + how] = (t, make) => broken(make(t), how);

/** make(target, {key, patient}) gives the client. */
export async function main(make) {
  const with_key = (t, {key = 'none', patient = false} = {}) => make(t, {key, patient});
  for (const name of target.checks) {
    let ok = true, detail;
    try {
      detail = await checks[name](target, with_key);
    } catch (e) {
      [ok, detail] = [false, said(e)];
    }
    console.log(JSON.stringify({check: name, ok, detail: typeof detail === 'number' ? detail : String(detail ?? '').slice(0, 400)}));
  }
  process.exit(0); // some keep connections
}
