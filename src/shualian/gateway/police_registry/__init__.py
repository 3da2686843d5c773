"""The police registry (公安人口信息): its wire format and the client that asks it."""
