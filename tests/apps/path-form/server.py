from fastapi import FastAPI
from wording import WORD

web = FastAPI()


@web.get("/word")
def word() -> dict[str, str]:
    return {"word": WORD}
