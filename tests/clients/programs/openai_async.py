"""The official SDK with asyncio."""

import asyncio
import json

import openai

import check
import openai_sync

loop = asyncio.new_event_loop()


def wait(coroutine):
    return loop.run_until_complete(coroutine)


class Client:
    def __init__(self, t, key="none", patient=False):
        self.model = t.model
        self.sdk = openai.AsyncOpenAI(base_url=t.url + "/v1", api_key=key, timeout=20, **({} if patient else {"max_retries": 0}))

    def ask(self, text, **more):
        return self.sdk.chat.completions.create(model=self.model, messages=[{"role": "user", "content": text}], temperature=0, **more)

    def chat(self, text):
        return wait(self.ask(text)).choices[0].message.content

    async def chunks(self, text, **more):
        return [c async for c in await self.ask(text, stream=True, **more)]

    def stream(self, text):
        return [c.choices[0].delta.content for c in wait(self.chunks(text)) if c.choices and c.choices[0].delta.content]

    def usage(self, text):
        last = wait(self.chunks(text, stream_options={"include_usage": True}))[-1]
        return last.usage.prompt_tokens, last.usage.completion_tokens

    def tools_stream(self, text):
        calls = [c for chunk in wait(self.chunks(text, tools=[check.TOOL])) if chunk.choices for c in chunk.choices[0].delta.tool_calls or []]
        return "".join(c.function.name or "" for c in calls), json.loads("".join(c.function.arguments or "" for c in calls))

    def structured(self, text):
        messages = [{"role": "user", "content": text}]
        answer = wait(self.sdk.chat.completions.parse(model=self.model, messages=messages, response_format=openai_sync.Sum, temperature=0))
        return answer.choices[0].message.parsed.n

    def embeddings(self, texts):
        return [d.embedding for d in wait(self.sdk.embeddings.create(model=self.model, input=texts)).data]

    def abort(self, text):
        """By cancelling the task that reads, as a web server does whose own client has gone."""

        async def left():
            async def read(seen):
                async for _ in await self.ask(text, stream=True):
                    seen.set()

            seen = asyncio.Event()
            task = asyncio.ensure_future(read(seen))
            await seen.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        wait(left())


if __name__ == "__main__":
    check.main(Client)
