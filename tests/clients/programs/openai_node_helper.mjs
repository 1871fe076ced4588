// The official SDK's .stream() helper, which is strict about the form of a stream, and runTools().
import {PARAMETERS, TOOL, main} from './check.mjs';
import {client} from './openai_node.mjs';

await main((t, options) => {
  const {sdk, say} = client(t, options);
  const helper = (text, more) => sdk.chat.completions.stream({model: t.model, messages: say(text), temperature: 0, ...more});
  return {
    async *stream(text) {
      const stream = helper(text);
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) yield chunk.choices[0].delta.content;
      await stream.finalChatCompletion();
    },
    async usage(text) {
      const told = (await helper(text, {stream_options: {include_usage: true}}).finalChatCompletion()).usage;
      return [told.prompt_tokens, told.completion_tokens];
    },
    async tools(text) {
      let seen;
      const tool = {type: 'function', function: {
        name: 'get_weather', description: 'weather of a city', parameters: PARAMETERS, parse: JSON.parse,
        function: (args) => ((seen = args), 'sunny')}};
      const answer = await sdk.chat.completions.runTools({model: t.model, messages: say(text), temperature: 0, tools: [tool]}).finalContent();
      return ['get_weather', seen, answer];
    },
    async tools_stream(text) {
      const call = (await helper(text, {tools: [TOOL]}).finalChatCompletion()).choices[0].message.tool_calls[0].function;
      return [call.name, JSON.parse(call.arguments)];
    },
    async abort(text) {
      const stream = helper(text);
      let n = 0;
      for await (const _ of stream) if (++n === 3) break;
      stream.abort();
    },
  };
});
