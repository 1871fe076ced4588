// The AI SDK, whatever its provider is.
import {Output, embedMany, generateText, isStepCount, jsonSchema, stepCountIs, streamText, tool} from 'ai';
import {PARAMETERS, SCHEMA} from './check.mjs';

const steps = isStepCount ?? stepCountIs;

export const client = ({model, embedding, patient, more = {}}) => {
  const ask = (prompt) => ({model, prompt, temperature: 0, ...(patient ? {} : {maxRetries: 0})});
  const weather = (seen) => ({
    get_weather: tool({description: 'weather of a city', inputSchema: jsonSchema(PARAMETERS), execute: async (args) => (seen.push(args), 'sunny')}),
  });
  async function* parts(options) {
    for await (const part of streamText({...options, onError() {}}).fullStream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'finish' && part.finishReason === 'error') throw new Error('finish reason error');
      yield part;
    }
  }
  return {
    chat: async (text) => (await generateText(ask(text))).text,
    async *stream(text) {
      for await (const part of parts(ask(text))) if (part.type === 'text-delta') yield part.text;
    },
    async usage(text) {
      let told;
      for await (const part of parts(ask(text))) if (part.type === 'finish') told = part.totalUsage ?? part.usage;
      return [told.inputTokens, told.outputTokens];
    },
    async tools(text) {
      const seen = [];
      const answer = await generateText({...ask(text), tools: weather(seen), stopWhen: steps(3)});
      return ['get_weather', seen[0], answer.text];
    },
    async tools_stream(text) {
      const seen = [];
      for await (const part of parts({...ask(text), tools: weather(seen)})) if (part.type === 'tool-call') return [part.toolName, part.input];
    },
    structured: async (text) => (await generateText({...ask(text), output: Output.object({schema: jsonSchema(SCHEMA)})})).output.n,
    embeddings: embedding && (async (values) => (await embedMany({model: embedding, values, maxRetries: 0})).embeddings),
    async reasoning(text) {
      let all = '';
      for await (const part of parts(ask(text))) if (part.type === 'reasoning-delta') all += part.text;
      return all;
    },
    async abort(text) {
      const stop = new AbortController();
      let n = 0;
      for await (const part of streamText({...ask(text), abortSignal: stop.signal, onError() {}}).fullStream)
        if (part.type === 'text-delta' && ++n === 3) stop.abort();
    },
    ...more,
  };
};
