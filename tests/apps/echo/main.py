"""Says what an app sees of a request, and is well only for those who come as its clients do."""

import os

from fastapi import FastAPI, HTTPException, Request

app = FastAPI()


@app.get("/seen")
def seen(request: Request) -> dict[str, object]:
    """Who asks, and where the app believes to be reached."""
    return {
        "client": request.client.host if request.client else None,
        "scheme": request.url.scheme,
        "url": str(request.url_for("seen")),
        "headers": dict(request.headers),
    }


@app.get("/health")
def health(request: Request) -> dict[str, str]:
    """503 unless asked by the site's name and in HTTPS, as apps do that redirect to these."""
    if (request.url.scheme, request.url.hostname) != ("https", os.environ["SITE"]):
        raise HTTPException(503, f"asked as {request.url}")
    return {"status": "ok"}
