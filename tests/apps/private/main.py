import shop_secrets
from fastapi import FastAPI

app = FastAPI()


@app.get("/word")
def word() -> dict[str, str]:
    return {"word": shop_secrets.WORD}
