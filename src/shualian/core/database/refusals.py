"""The closed set of refusals of a database."""

from shualian.core.refusals import Finality, Helper, RefusalKind

DATABASE_URL_INVALID = RefusalKind(
    code="core.database_url_invalid",
    zh="数据库地址不对",
    en="The database address is not valid",
    next_zh="请写成 sqlite:///文件路径 或 postgresql+psycopg://用户:密码@主机/库名",
    next_en="Write sqlite:///path/to/file or postgresql+psycopg://user:password@host/name",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
DATABASE_IN_USE = RefusalKind(
    code="core.database_in_use",
    zh="这个数据库已被另一个进程打开",
    en="Another process has this database open",
    next_zh="通过正在运行的服务来操作，或先停止那个进程；需要多个进程时请用 PostgreSQL",
    next_en="Go through the running server, or stop it first; several processes need PostgreSQL",
    helper=Helper.TECHNICIAN,
    finality=Finality.TEMPORARY,
)
DATABASE_UNAVAILABLE = RefusalKind(
    code="core.database_unavailable",
    zh="数据库暂时不能用，什么都没有写入",
    en="The database cannot be used now; nothing was written",
    next_zh="稍后再试；一直这样请检查磁盘空间、文件权限和数据库服务",
    next_en="Try again later; if it stays, check disk space, file permissions and the server",
    helper=Helper.TECHNICIAN,
    finality=Finality.TEMPORARY,
)
DATABASE_BUSY = RefusalKind(
    code="core.database_busy",
    zh="同时操作的人太多，什么都没有写入",
    en="Too many changes to the same rows at once; nothing was written",
    next_zh="请再试一次",
    next_en="Try again",
    helper=Helper.SELF,
    finality=Finality.TEMPORARY,
)
WRITE_UNCONFIRMED = RefusalKind(
    code="core.write_unconfirmed",
    zh="不能确定这次操作有没有写入",
    en="It is not known whether this was written",
    next_zh="请用同一个编号再发一次，或先查询结果",
    next_en="Send the same command again under the same identifier, or ask for its outcome first",
    helper=Helper.TECHNICIAN,
    finality=Finality.UNKNOWN,
)
DATABASE_CLOSED = RefusalKind(
    code="core.database_closed",
    zh="服务正在停止",
    en="The service is stopping",
    next_zh="等服务重新启动后再试",
    next_en="Try again when the service has started",
    helper=Helper.TECHNICIAN,
    finality=Finality.TEMPORARY,
)
DATABASE_MODE_DIFFERS = RefusalKind(
    code="core.database_mode_differs",
    zh="数据库是为另一种运行方式（沙盒或正式）建立的",
    en="The database was made for the other mode (sandbox or production)",
    next_zh="运行方式在建库时写定，不能更改；请换一个数据库",
    next_en="The mode is fixed when a database is made; name another database",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
DATABASE_SIDE_DIFFERS = RefusalKind(
    code="core.database_side_differs",
    zh="数据库属于另一方（医保或医院）",
    en="The database belongs to the other side (insurer or hospital)",
    next_zh="请检查两个数据库地址是否写反",
    next_en="Check whether the two database addresses were exchanged",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
DATABASE_FOREIGN = RefusalKind(
    code="core.database_foreign",
    zh="这个数据库里是别的程序的内容",
    en="The database holds something else",
    next_zh="请指定一个空的数据库或本系统建立的数据库",
    next_en="Name an empty database or one made by this program",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
DATABASE_NEWER = RefusalKind(
    code="core.database_newer",
    zh="数据库由更新的版本建立",
    en="The database was made by a newer version",
    next_zh="请使用不低于该版本的程序，或恢复升级前的备份",
    next_en="Run that version or a later one, or restore the backup from before the upgrade",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)

REFUSALS = (
    DATABASE_URL_INVALID,
    DATABASE_IN_USE,
    DATABASE_UNAVAILABLE,
    DATABASE_BUSY,
    WRITE_UNCONFIRMED,
    DATABASE_CLOSED,
    DATABASE_MODE_DIFFERS,
    DATABASE_SIDE_DIFFERS,
    DATABASE_FOREIGN,
    DATABASE_NEWER,
)
