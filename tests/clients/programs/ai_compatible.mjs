// The AI SDK with its provider for servers that are compatible with OpenAI's.
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {client} from './ai.mjs';
import {main} from './check.mjs';

await main((t, {key, patient}) => {
  const provider = createOpenAICompatible({name: 'gateway', baseURL: t.url + '/v1', apiKey: key, includeUsage: true, supportsStructuredOutputs: true});
  return client({model: provider(t.model), embedding: provider.textEmbeddingModel(t.model), patient});
});
