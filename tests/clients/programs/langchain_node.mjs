// LangChain for Node.
import {HumanMessage, ToolMessage} from '@langchain/core/messages';
import {ChatOpenAI, OpenAIEmbeddings} from '@langchain/openai';
import {SCHEMA, TOOL, main} from './check.mjs';

await main((t, {key, patient}) => {
  const common = {model: t.model, apiKey: key, timeout: 20000, configuration: {baseURL: t.url + '/v1'}, ...(patient ? {} : {maxRetries: 0})};
  const llm = new ChatOpenAI({...common, temperature: 0, useResponsesApi: false});
  async function whole(model, text) {
    let all;
    for await (const chunk of await model.stream(text)) all = all ? all.concat(chunk) : chunk;
    return all;
  }
  return {
    chat: async (text) => (await llm.invoke(text)).content,
    async *stream(text) {
      for await (const chunk of await llm.stream(text)) if (chunk.content) yield chunk.content;
    },
    async usage(text) {
      const told = (await whole(llm, text)).usage_metadata;
      return [told.input_tokens, told.output_tokens];
    },
    async tools(text) {
      const able = llm.bindTools([TOOL]);
      const asked = await able.invoke(text);
      const [call] = asked.tool_calls;
      const answer = await able.invoke([new HumanMessage(text), asked, new ToolMessage({content: 'sunny', tool_call_id: call.id})]);
      return [call.name, call.args, answer.content];
    },
    async tools_stream(text) {
      const [call] = (await whole(llm.bindTools([TOOL]), text)).tool_calls;
      return [call.name, call.args];
    },
    structured: async (text) => (await llm.withStructuredOutput(SCHEMA, {name: 'sum', method: 'jsonSchema'}).invoke(text)).n,
    reasoning: async (text) => (await whole(llm, text)).additional_kwargs.reasoning_content,
    embeddings: (texts) => new OpenAIEmbeddings(common).embedDocuments(texts),
    async abort(text) {
      let n = 0;
      for await (const _ of await llm.stream(text)) if (++n === 3) break;
    },
  };
});
