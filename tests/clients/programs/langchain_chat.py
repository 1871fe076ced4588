"""LangChain with its OpenAI classes."""

import langchain_core.messages as messages
import pydantic
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

import check


class Sum(pydantic.BaseModel):
    """the sum"""

    n: int


@tool
def get_weather(city: str) -> str:
    """weather of a city"""
    return "sunny"


class Client:
    def __init__(self, t, key="none", patient=False):
        self.t, self.key = t, key
        self.llm = ChatOpenAI(model=t.model, base_url=t.url + "/v1", api_key=key, temperature=0, timeout=20, stream_usage=True,
                              **({} if patient else {"max_retries": 0}))

    def chat(self, text):
        return self.llm.invoke(text).content

    def stream(self, text):
        for chunk in self.llm.stream(text):
            if chunk.content:
                yield chunk.content

    def whole(self, llm, text):
        answer = None
        for chunk in llm.stream(text):
            answer = chunk if answer is None else answer + chunk
        return answer

    def usage(self, text):
        told = self.whole(self.llm, text).usage_metadata
        return told["input_tokens"], told["output_tokens"]

    def tools(self, text):
        llm = self.llm.bind_tools([get_weather])
        asked = llm.invoke(text)
        call = asked.tool_calls[0]
        return (call["name"], call["args"]), llm.invoke([messages.HumanMessage(text), asked, get_weather.invoke(call)]).content

    def tools_stream(self, text):
        call = self.whole(self.llm.bind_tools([get_weather]), text).tool_calls[0]
        return call["name"], call["args"]

    def structured(self, text):
        return self.llm.with_structured_output(Sum, method="json_schema").invoke(text).n

    def embeddings(self, texts):
        e = OpenAIEmbeddings(model=self.t.model, base_url=self.t.url + "/v1", api_key=self.key, check_embedding_ctx_length=False)
        return e.embed_documents(texts)

    def bad(self):
        return self.llm.bind(top_p="all").invoke("x")

    def abort(self, text):
        stream = self.llm.stream(text)
        for _ in range(3):
            next(stream)
        stream.close()


if __name__ == "__main__":
    check.main(Client)
