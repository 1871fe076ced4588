// Ollama's own SDK for Node.
import {Ollama} from 'ollama';
import {SCHEMA, TOOL, main} from './check.mjs';

await main((t, {key}) => {
  const sdk = new Ollama({host: t.url, headers: {Authorization: `Bearer ${key}`}});
  const say = (text) => (Array.isArray(text) ? text : [{role: 'user', content: text}]);
  const ask = (text, more) => sdk.chat({model: t.model, messages: say(text), options: {temperature: 0, num_predict: 200}, ...more});
  async function* parts(text, more) {
    let ended = false;
    for await (const part of await ask(text, {stream: true, ...more})) {
      ended = part.done;
      yield part;
    }
    if (!ended) throw new Error('the SDK leaves it to its user to look at done');
  }
  return {
    async chat(text) {
      const answer = await ask(text);
      if (answer.done_reason !== 'stop') throw new Error(answer.done_reason);
      return answer.message.content;
    },
    async *stream(text) {
      for await (const part of parts(text)) if (part.message.content) yield part.message.content;
    },
    async usage(text) {
      let last;
      for await (const part of parts(text)) last = part;
      return [last.prompt_eval_count, last.eval_count];
    },
    async tools(text) {
      const {message} = await ask(text, {tools: [TOOL]});
      const call = message.tool_calls[0].function;
      const history = [...say(text), message, {role: 'tool', tool_name: call.name, content: 'sunny'}];
      return [call.name, call.arguments, (await ask(history, {tools: [TOOL]})).message.content];
    },
    async tools_stream(text) {
      let call;
      for await (const part of parts(text, {tools: [TOOL]})) call ??= part.message.tool_calls?.[0].function;
      return [call.name, call.arguments];
    },
    structured: async (text) => JSON.parse((await ask(text, {format: SCHEMA})).message.content).n,
    async reasoning(text) {
      let all = '';
      for await (const part of parts(text)) all += part.message.thinking ?? '';
      return all;
    },
    embeddings: async (input) => (await sdk.embed({model: t.model, input})).embeddings,
    models: async () => (await sdk.list()).models.flatMap((m) => [m.name, m.name.replace(/:latest$/, '')]),
    bad: () => ask('x', {format: {type: 5}}),
    async abort(text) {
      let n = 0;
      const stream = await ask(text, {stream: true});
      for await (const _ of stream)
        if (++n === 3) {
          stream.abort();
          break;
        }
    },
  };
});
