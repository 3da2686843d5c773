"""Terminals (医保业务综合服务终端): their classes and what each class may do."""
