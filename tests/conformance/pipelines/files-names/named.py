import os

from magnus_render import get_from_catalog, get_object, put_in_catalog, put_object


def put():
    os.makedirs("data/a")
    for name in ("a/b.txt", "c.txt"):
        with open("data/" + name, "w") as file:
            file.write(name)
        put_in_catalog(".//data/./" + name)


def get():
    for name in (".//c.txt", "a//./b.txt"):
        with open(get_from_catalog(name)) as file:
            assert file.read() == os.path.relpath(name)
    for name in ("../out", "/tmp/out", "a/../../out", "a/..", "", "."):
        for function in (get_object, get_from_catalog, lambda name: put_object(1, name)):
            try:
                function(name)
            except Exception as error:
                assert "leads out of the data folder" in str(error) or "is no name" in str(error), error
            else:
                raise AssertionError(name)
    put_object(1, "/tmp/out")
