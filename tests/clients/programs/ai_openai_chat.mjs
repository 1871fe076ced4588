// The AI SDK with OpenAI's own provider, on chat completions.
import {createOpenAI} from '@ai-sdk/openai';
import {client} from './ai.mjs';
import {main} from './check.mjs';

await main((t, {key, patient}) => {
  const provider = createOpenAI({baseURL: t.url + '/v1', apiKey: key});
  return client({model: provider.chat(t.model), embedding: provider.textEmbeddingModel(t.model), patient, more: {reasoning: undefined}});
});
