// The tour's seven steps: what to do in each, which button comes next, and what each fact of the world means.
//
// A step's `moves` are tried from the last to the first: the first whose button is there, and whose question the bot has
// asked (`after`), if the facts allow it (`when`), is the next thing to do. `view` is a person's id, or "system" for the
// panel beside the phones. `action` is the button's data-action; with * at its end the beginning of one. `takes`: so many
// milliseconds pass before it is asked for again, `doing` is said meanwhile. Words between ** are shown bold.

export function steps({ admin, student, teacher }, { refresh_interval: interval, notes }) {
  const on = (person) => `On **${person.name}'s** phone: `;
  const press = (person, action, label, more = "", when = () => true) => ({
    view: person.id, action, when, say: `${on(person)}press **${label}**${more}.`,
  });
  const canDraw = notes.length > 0; // prepared video notes
  const [her, hers] = [student.name, `${student.name}'s`];
  return [
    {
      id: "invite", scene: "marker", title: "Invite a student", short: "Invite", facts: ["invited"],
      say: `${on(admin)}make an invitation code.`,
      moves: [
        press(admin, "inline:Generate Invitation Code", "Generate Invitation Code"),
        press(admin, "inline:Admin Panel", "Admin Panel"),
        press(admin, "start", "Start"),
      ],
    },
    {
      id: "register", scene: "marker", title: `${her} registers`, short: "Register", facts: ["registered"],
      say: "Wait a moment: a real Chrome tries the password on the portal.",
      moves: [
        { view: student.id, action: "login:password", types: true, after: /portal password/i,
          say: `Now her portal password. Her phone has it saved: press **Password**, then send it.` },
        { view: student.id, action: "login:username", types: true, after: /username on the portal/i,
          say: `The bot asks who she is. ${hers} phone has her **username** saved: press it, then send it.` },
        { view: admin.id, action: "link:*", say: `${on(admin)}press the **link** with the code, and open it as **${her}**.` },
      ],
    },
    {
      id: "monitor", scene: "marker", title: "Start monitoring", short: "Start", facts: ["monitoring"],
      say: "Wait a moment: the bot starts a Chrome, which signs in.",
      moves: [press(student, "inline:Start Monitoring", "Start Monitoring")],
    },
    {
      id: "open", scene: "marker", title: "A lesson opens on the portal", short: "Lesson opens", facts: ["lesson_open"],
      say: "In the panel **Portal**: press **Open lesson**.",
      moves: [{ view: "system", action: "open-lesson", say: "In the panel **Portal**: press **Open lesson**. You are the teacher now." }],
    },
    {
      id: "marked", scene: "marker", title: `${her} is marked`, short: "Marked", facts: ["marked"],
      say: `Watch ${hers} phone. The bot looks every ${interval} seconds, and presses the button for her.`,
      moves: [{ view: student.id, action: "", watch: true, say: `The bot looks every ${interval} seconds. Go to **${hers}** phone and watch.` }],
    },
    {
      id: "class", scene: "classroom", title: "A class: code, place, face", short: "Class",
      facts: ["session_open", "code_entered", "place_shared", "face_sent"], orElse: "recorded",
      say: "Follow the bot's question.",
      moves: [
        press(teacher, "inline:Yes, Confirm*", "Yes, Confirm These"),
        press(teacher, "inline:Without a Face Check*", "Without a Face Check", ", as she showed none"),
        { view: student.id, action: "note:right", after: /record a round video/i, takes: 90_000,
          doing: "The recording is drawn, sent, and checked: a few seconds.", say: `The bot asks for motions of her head. Press the **paper clip**, then **Video note**, then **The right person**.` },
        canDraw ? press(student, "inline:I Agree", "I Agree", ": only then is a face looked at")
          : press(student, "inline:Without My Face", "Without My Face", ": this installation draws no recordings"),
        { view: student.id, action: "reply:Share*", after: /share your location/i, say: `${on(student)}share her **location**: she sits in the room.` },
        { view: student.id, action: "login:student_id", types: true, after: /student ID/i, say: `The bot asks who she is. Press her saved **student ID**, then send it.` },
        { view: teacher.id, action: "link:*", say: `The code is there. ${on(teacher)}press its **link**, and open it as **${her}**.` },
        { view: teacher.id, action: "reply:Share*", after: /location/i, say: `${on(teacher)}share the **location**: that is where the class is.` },
        press(teacher, "inline:Next", "Next"),
        press(teacher, "inline:CS-101*", "CS-101"),
        press(teacher, "inline:Take Attendance", "Take Attendance"),
        { view: teacher.id, action: "login:email", types: true, after: /e-mail address/i, say: `Now the address in the LMS. Press the saved **e-mail address**, then send it.` },
        { view: teacher.id, action: "login:password", types: true, after: /LMS password/i, say: `The bot signs in to the LMS as ${teacher.name}. Press the saved **Password**, then send it.` },
        { view: teacher.id, action: "reply:Share*", after: /phone number/i, say: `${on(teacher)}share the **phone number**, by which teachers are known.` },
        press(teacher, "start", "Start"),
      ],
    },
    {
      id: "report", scene: "classroom", title: "The class's report", short: "Report", facts: ["recorded", "report_sent"],
      say: "The face is being checked. Then the mark goes to the LMS, and after the end the report comes.",
      moves: [
        press(teacher, "inline:Close Now", "Close Now", "; 15 seconds later the report comes", ({ recorded, report_sent: sent }) => recorded && !sent),
        press(teacher, "inline:Confirm All*", "Confirm All", `: the face is clearly ${hers}`),
        press(teacher, "inline:Yes, Confirm*", "Yes, Confirm These"),
        press(teacher, "inline:Without a Face Check*", "Without a Face Check", ", as she showed none"),
      ],
    },
  ];
}

export const PARTS = {
  session_open: "Session", code_entered: "Code", place_shared: "Place", face_sent: "Face",
  recorded: "Recorded in the LMS", report_sent: "Report",
};

// What just happened, once a fact is true. `seconds`: from the lesson's opening to the mark.
export function happened(fact, { student, seconds }) {
  return {
    invited: "A code that lets one person register, once.",
    registered: `A real Chrome signed in with the password. It is stored encrypted, and ${student.name}'s message with it is deleted.`,
    monitoring: `A Chrome of ${student.name}'s own now watches the portal, also while this page is closed.`,
    lesson_open: "The lesson has its button on the portal now.",
    marked: `The bot pressed the button${seconds ? ` ${seconds} seconds after the lesson opened` : ""}. Nobody touched a computer.`,
    teacher_signed_in: "The bot has signed in to the LMS, and knows the teacher's classes.",
    session_open: "The code is on the teacher's phone, to be shown in class. It expires.",
    code_entered: "The code was right, and belongs to a class of this student.",
    place_shared: "The place is close enough to the teacher's.",
    face_sent: "The face check follows the motions, and compares the face with the ID photo, on this computer.",
    recorded: "The register in the LMS has the mark: see the panel.",
    report_sent: "Counts, names, a picture and a table, on the teacher's phone.",
  }[fact];
}
