// Calls Regula's client for JavaScript against the gateway at FACESTREAM_URL, and checks the answers. Only the address and the token
// (FACESTREAM_TOKEN) are ours; FACESTREAM_PEOPLE is a folder of drawn people (tools/people).
import { FaceSdk } from "@regulaforensics/facesdk-webclient";
import axios from "axios";
import { readFileSync } from "node:fs";

const { FACESTREAM_URL, FACESTREAM_TOKEN, FACESTREAM_PEOPLE } = process.env;
const picture = (name) => new Uint8Array(readFileSync(`${FACESTREAM_PEOPLE}/${name}`)).buffer;
const [anna, annaAgain, ben] = ["person-0-0.jpg", "person-0-1.jpg", "person-1-0.jpg"].map(picture);
const sdk = new FaceSdk({ basePath: FACESTREAM_URL }, undefined, axios.create({ headers: { Authorization: `Bearer ${FACESTREAM_TOKEN}` } }));

function check(what, holds) {
  if (!holds) {
    console.error(`Regula's client for JavaScript: ${what}`);
    process.exit(1);
  }
  console.log("ok:", what);
}

async function refused(status, call) {
  try {
    await call();
  } catch (e) {
    return e.response?.status === status;
  }
  return false;
}

const found = await sdk.matchingApi.match({ images: [{ type: 3, data: anna, index: 1 }, { type: 1, data: annaAgain, index: 2 }, { type: 3, data: ben, index: 3 }] });
check("match", found.code === 0 && found.results.length === 3 && found.results[0].similarity >= 0.5 && found.results[1].similarity < 0.5);
const seen = await sdk.matchingApi.detect({ image: anna, processParam: { scenario: "CropAllFaces" } });
check("detect", seen.code === 0 && seen.results.detections.length === 1 && seen.results.detections[0].crop.length > 0);

const group = await sdk.groupApi.createGroup({ name: "node", metadata: { floor: 1 } });
check("getGroup", (await sdk.groupApi.getGroup(group.id)).name === "node");
await sdk.groupApi.updateGroup(group.id, { name: "npm", metadata: {} });
check("getAllGroups", (await sdk.groupApi.getAllGroups(1, 50)).items.some((g) => g.name === "npm"));
const person = await sdk.personApi.createPerson({ name: "Anna", metadata: {}, groups: [group.id] });
await sdk.personApi.updatePerson(person.id, { name: "Anne", metadata: {} });
check("getPerson", (await sdk.personApi.getPerson(person.id)).name === "Anne");
const image = await sdk.personApi.addImageToPerson(person.id, { image: { contentType: "image/jpeg", content: anna } });
check("getAllImagesByPersonId", (await sdk.personApi.getAllImagesByPersonId(1, 10, person.id)).items[0].id === image.id);
check("getImageOfPerson", await sdk.personApi.getImageOfPerson(image.id, person.id));
check("getAllGroupsByPersonId", (await sdk.personApi.getAllGroupsByPersonId(1, 10, person.id)).items[0].id === group.id);
check("getAllPersonsByGroupId", (await sdk.groupApi.getAllPersonsByGroupId(1, 10, group.id)).items[0].id === person.id);
const hit = await sdk.searchApi.search({ image: { content: annaAgain }, groupIds: [group.id], limit: 3 });
check("search", hit.persons.length === 1 && hit.persons[0].id === person.id && hit.persons[0].images[0].distance < 1);
await sdk.groupApi.updatePersonsInGroup(group.id, { removeItems: [person.id] });
check("updatePersonsInGroup", (await sdk.groupApi.getAllPersonsByGroupId(1, 10, group.id)).items.length === 0);
check("readiness", (await sdk.diagnosticsApi.readiness()).app === "facestream");
check("getLivenessTransactionInfo of none", await refused(404, () => sdk.livenessApi.getLivenessTransactionInfo("8f3f2c1e-0000-4000-8000-000000000000")));
check("deleteImageOfPerson is refused", await refused(400, () => sdk.personApi.deleteImageOfPerson(image.id, person.id)));
await sdk.personApi.deletePerson(person.id);
check("deletePerson", await refused(404, () => sdk.personApi.getPerson(person.id)));
await sdk.groupApi.deleteGroup(group.id);
check("deleteGroup", await refused(404, () => sdk.groupApi.getGroup(group.id)));
