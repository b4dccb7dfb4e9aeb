"""Files and folders are written whole or not at all."""

from pathlib import Path

import pytest

from rotary_mae._atomic import is_partial, recover, replacing_file, replacing_folder, user_path


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "numbers.json"
    with replacing_file(path) as partial:
        partial.write_text("1")
        assert partial.parent == path.parent
        assert not path.exists()
    assert contents(path.parent) == {"numbers.json": "1"}


def test_an_error_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = write(tmp_path, old="1") / "old"

    def fail() -> None:
        with replacing_file(path) as partial:
            partial.write_text("2")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert contents(tmp_path) == {"old": "1"}


def test_partial_files_are_recognised(tmp_path: Path) -> None:
    with replacing_file(tmp_path / "run.json") as partial:
        partial.write_text("{}")
        assert [path for path in tmp_path.iterdir() if is_partial(path)] == [partial]
    assert not is_partial(tmp_path / "run.json")
    assert not is_partial(tmp_path / "mine.partial")


def test_a_folder_is_replaced_with_everything_in_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", weights="1", notes="mine")
    with replacing_folder(folder) as partial:
        write(partial, weights="2")
        assert contents(folder) == {"weights": "1", "notes": "mine"}
    assert contents(folder) == {"weights": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_files_of_the_user_stay_in_a_replaced_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", weights="1", scaling="1", notes="mine")
    with replacing_folder(folder, own={"weights", "scaling"}) as partial:
        write(partial, weights="2")
    assert contents(folder) == {"weights": "2", "notes": "mine"}


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_old_folder(tmp_path: Path, error: type[BaseException]) -> None:
    folder = write(tmp_path / "model", weights="1")

    def fail() -> None:
        with replacing_folder(folder) as partial:
            write(partial, weights="2")
            raise error

    with pytest.raises(error):
        fail()
    assert contents(folder) == {"weights": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    write(tmp_path / ".model.replaced", weights="1")
    recover(tmp_path / "model")
    assert contents(tmp_path / "model") == {"weights": "1"}
    recover(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_leftovers_of_killed_replacements_are_not_in_the_way(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", weights="2")
    write(tmp_path / ".model.replaced", weights="1", notes="mine")
    write(tmp_path / ".model.partial", weights="half")
    with replacing_folder(folder, own={"weights"}) as partial:
        assert contents(partial) == {}
        write(partial, weights="3")
    assert contents(folder) == {"weights": "3", "notes": "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    write(tmp_path, model="mine")
    with pytest.raises(FileExistsError, match="model is a file"), replacing_folder(tmp_path / "model"):
        pass
    assert contents(tmp_path) == {"model": "mine"}


def test_new_folders_are_removed_after_an_error(tmp_path: Path) -> None:
    write(tmp_path / "old", mine="1")
    for replacing in (replacing_file, replacing_folder):
        for path in (tmp_path / "a" / "b" / "c", tmp_path / "old" / "d" / "e"):
            with pytest.raises(OSError, match="no space"), replacing(path):
                raise OSError("no space")
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "mine"]


def test_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == user_path(Path("~/a")) == tmp_path / "a"
    assert user_path("~nobody-of-this-name/a") == Path("~nobody-of-this-name/a")
    with replacing_file(Path("~/numbers.json")) as partial:
        partial.write_text("1")
    with replacing_folder(Path("~/model")) as folder:
        write(folder, weights="1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "numbers.json"]
