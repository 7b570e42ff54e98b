"""The bill of materials of a release: CycloneDX JSON, with package URLs and hashes."""

from base64 import b64decode
from binascii import Error
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5
from warnings import catch_warnings, simplefilter

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from ebbgate.core.releases import Artifact, Dependency, Manifest

_ALGORITHMS = {"sha512": HashAlgorithm.SHA_512, "sha256": HashAlgorithm.SHA_256, "sha1": HashAlgorithm.SHA_1}


def bill_of_materials(app: str, version: str, artifact: Artifact, manifest: Manifest, *, at: datetime) -> bytes:
    """Everything that was installed for the build; what is needed only to build is marked so.

    at: of the commit, so that two builds of it give the same bytes.
    """
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, f"{app}@{version}#{artifact.digest}"))
    bom.metadata.timestamp = at
    digest = artifact.digest.removeprefix("sha256:")
    bom.metadata.component = Component(
        name=app,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"{app}@{version}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    for dependency in manifest.dependencies:
        bom.components.add(_component(dependency))
    with catch_warnings():
        simplefilter("ignore", UserWarning)  # it misses who needs whom: npm's note tells where a package lies, not why
        return JsonV1Dot6(bom).output_as_string(indent=None).encode()


def _component(dependency: Dependency) -> Component:
    group, _, name = dependency.name.rpartition("/")
    found = checksum(dependency)
    algorithm, _, text = found.partition(":")
    return Component(
        name=name,
        group=group or None,
        version=dependency.version,
        type=ComponentType.LIBRARY,
        purl=package_url(dependency),
        bom_ref=dependency.place,
        scope=ComponentScope.EXCLUDED if dependency.is_dev else ComponentScope.REQUIRED,
        hashes=[HashType(alg=_ALGORITHMS[algorithm], content=text)] if found else [],
        properties=[Property(name="ebbgate:place", value=dependency.place)],
    )


def package_url(dependency: Dependency) -> PackageURL:
    """`pkg:npm/%40scope/name@1.2.3`."""
    group, _, name = dependency.name.rpartition("/")
    return PackageURL(type="npm", namespace=group or None, name=name, version=dependency.version)


def checksum(dependency: Dependency) -> str:
    """`sha512:hex` of the lock file's integrity; empty where there is none that is known."""
    algorithm, _, text = dependency.integrity.split(" ")[0].partition("-")
    if algorithm not in _ALGORITHMS:
        return ""
    try:
        return f"{algorithm}:{b64decode(text, validate=True).hex()}"
    except (Error, ValueError):
        return ""
