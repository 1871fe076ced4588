"""OpenAI's agents: the whole loop of model, tool, model."""

import asyncio

import agents
import openai
import pydantic

import check

agents.set_tracing_disabled(True)
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


class Sum(pydantic.BaseModel):
    n: int


class Client:
    def __init__(self, t, key="none", patient=False):
        sdk = openai.AsyncOpenAI(base_url=t.url + "/v1", api_key=key, timeout=20, max_retries=0)
        self.model = agents.OpenAIChatCompletionsModel(model=t.model, openai_client=sdk)
        self.calls = []

    def agent(self, **more):
        return agents.Agent(name="test", model=self.model, model_settings=agents.ModelSettings(temperature=0), **more)

    def with_tool(self):
        @agents.function_tool
        def get_weather(city: str) -> str:
            """weather of a city"""
            self.calls.append(("get_weather", {"city": city}))
            return "sunny"

        return self.agent(tools=[get_weather])

    def run(self, agent, text):
        return loop.run_until_complete(agents.Runner.run(agent, text, max_turns=3)).final_output

    async def gather(self, agent, text):
        result, parts = agents.Runner.run_streamed(agent, text, max_turns=3), []
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                parts.append(event.data.delta)
        return parts

    def chat(self, text):
        return self.run(self.agent(), text)

    def stream(self, text):
        return loop.run_until_complete(self.gather(self.agent(), text))

    def tools(self, text):
        answer = self.run(self.with_tool(), text)
        return self.calls[0], answer

    def tools_stream(self, text):
        loop.run_until_complete(self.gather(self.with_tool(), text))
        return self.calls[0]

    def structured(self, text):
        return self.run(self.agent(output_type=Sum), text).n


if __name__ == "__main__":
    check.main(Client)
