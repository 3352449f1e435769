from fastapi import FastAPI
from pydantic import VERSION, BaseModel

app = FastAPI()


class Versions(BaseModel):
    pydantic: str


@app.get("/versions")
def versions() -> Versions:
    return Versions(pydantic=VERSION)
