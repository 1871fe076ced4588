// The AI SDK with OpenAI's own provider as it is without further words: on Responses.
import {createOpenAI} from '@ai-sdk/openai';
import {client} from './ai.mjs';
import {main} from './check.mjs';

await main((t, {key, patient}) => {
  const provider = createOpenAI({baseURL: t.url + '/v1', apiKey: key});
  return client({model: provider(t.model), patient, more: {reasoning: undefined}});
});
