"""What the tables of all subjects of the cashier share; ``service`` imports every one of them."""

from sqlalchemy import MetaData

metadata = MetaData()
