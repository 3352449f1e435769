from fastapi import FastAPI

app = FastAPI()


@app.get("/answer")
def answer() -> dict[str, int]:
    return {"answer": 42}
