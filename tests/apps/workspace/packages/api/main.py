from pathlib import Path

from fastapi import FastAPI
from prices import price

app = FastAPI()


@app.get("/price")
def ask() -> dict[str, int | str]:
    return {"price": price(2), "greeting": Path("greeting.txt").read_text().strip()}
