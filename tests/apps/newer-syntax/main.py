from fastapi import FastAPI

app = FastAPI()
type Answer = dict[str, int]


@app.get("/answer")
def answer() -> Answer:
    return {"answer": 42}
