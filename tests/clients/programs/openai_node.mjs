// The official SDK.
import OpenAI from 'openai';
import {zodResponseFormat} from 'openai/helpers/zod';
import {z} from 'zod';
import {TOOL, main} from './check.mjs';

export const client = (t, {key, patient}) => {
  const sdk = new OpenAI({baseURL: t.url + '/v1', apiKey: key, timeout: 20000, ...(patient ? {} : {maxRetries: 0})});
  const say = (text) => (Array.isArray(text) ? text : [{role: 'user', content: text}]);
  const ask = (text, more) => sdk.chat.completions.create({model: t.model, messages: say(text), temperature: 0, ...more});
  return {
    sdk, ask, say,
    async chat(text) {
      const [choice] = (await ask(text)).choices;
      if (choice.finish_reason !== 'stop') throw new Error(choice.finish_reason);
      return choice.message.content;
    },
    async *stream(text) {
      for await (const chunk of await ask(text, {stream: true})) if (chunk.choices[0]?.delta.content) yield chunk.choices[0].delta.content;
    },
    async usage(text) {
      let last;
      for await (const chunk of await ask(text, {stream: true, stream_options: {include_usage: true}})) last = chunk.usage;
      return [last.prompt_tokens, last.completion_tokens];
    },
    async tools(text) {
      const {message} = (await ask(text, {tools: [TOOL]})).choices[0];
      const [call] = message.tool_calls;
      const history = [...say(text), message, {role: 'tool', tool_call_id: call.id, content: 'sunny'}];
      return [call.function.name, JSON.parse(call.function.arguments), (await ask(history, {tools: [TOOL]})).choices[0].message.content];
    },
    async structured(text) {
      const format = zodResponseFormat(z.object({n: z.number().int()}), 'sum');
      return (await sdk.chat.completions.parse({model: t.model, messages: say(text), temperature: 0, response_format: format})).choices[0].message.parsed.n;
    },
    async reasoning(text) {
      let all = '';
      for await (const chunk of await ask(text, {stream: true})) all += chunk.choices[0]?.delta.reasoning_content ?? '';
      return all;
    },
    embeddings: async (input) => (await sdk.embeddings.create({model: t.model, input})).data.map((d) => d.embedding),
    async models() {
      const names = [];
      for await (const m of sdk.models.list()) names.push(m.id);
      return names;
    },
    completions: async (prompt) => (await sdk.completions.create({model: t.model, prompt, max_tokens: 8, temperature: 0})).choices[0].text,
    responses: async (input) => (await sdk.responses.create({model: t.model, input, temperature: 0})).output_text,
    async responses_stream(input) {
      let [all, ended] = ['', false];
      for await (const e of await sdk.responses.create({model: t.model, input, temperature: 0, stream: true})) {
        if (e.type === 'response.output_text.delta') all += e.delta;
        ended ||= e.type === 'response.completed';
      }
      if (!ended) throw new Error('no end');
      return all;
    },
    bad: () => ask(text_of_bad),
    method: () => sdk.get('/chat/completions'),
    async abort(text) {
      let n = 0;
      for await (const _ of await ask(text, {stream: true})) if (++n === 3) break;
    },
  };
};
const text_of_bad = [{role: 'user', content: 5}];
if (process.argv[1].endsWith('openai_node.mjs')) await main(client);
