"""The HTTP face: OpenAI's API in front of the supervisor. It never imports MLX.

`app.create_app` makes the ASGI application, `config.uvicorn_config` says how uvicorn serves it.
"""
